/**
 * The calls on terminals: that the two ends belong together, and what is said where there are none.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { close, pipe, tryRead, tryWrite } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { getSize, isNearEnd, openTerminal, setSize } from "../../ffi/terminals.ts";
import { SyscallError } from "../../mod.ts";
import { leavesNothing } from "../support/commands.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { ROOT, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { canFilter, needing } from "../support/skip.ts";
import { encode } from "../support/sockets.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";

const SIZE = { columns: 100, rows: 30 };

/** Reads what there is. */
function readText(fd: number): string {
  const buffer = new Uint8Array(4096);
  return new TextDecoder().decode(buffer.subarray(0, Math.max(0, tryRead(fd, buffer))));
}

Deno.test(needing(PTMX, hasTerminals, "openTerminal() connects two ends"), () => {
  const { near, far } = openTerminal(SIZE);
  assertEquals([openOn(near), /^\/dev\/pts\/\d+$/.test(openOn(far)!)], ["/dev/ptmx", true]);
  assertEquals([isCloseOnExec(near), isCloseOnExec(far)], [true, true]);
  assertEquals(tryWrite(near, encode("typed\r")), 6);
  assertEquals(readText(far), "typed\n");
  assertEquals(readText(near), "typed\r\n");
  assertEquals(tryWrite(far, encode("shown\n")), 6);
  // What was written comes first, and then the end.
  close(far);
  assertEquals(readText(near), "shown\r\n");
  assertEquals(tryRead(near, new Uint8Array(1)), -Errno.EIO);
  close(near);
});

Deno.test(needing(PTMX, hasTerminals, "a terminal erases whole characters of UTF-8"), () => {
  const { near, far } = openTerminal(SIZE);
  tryWrite(near, encode("aä€😀\x7f\x7f\x7f\r"));
  assertEquals(readText(far), "a\n");
  close(far);
  close(near);
});

Deno.test(needing(PTMX, hasTerminals, "both ends of a terminal have one size"), () => {
  const { near, far } = openTerminal(SIZE);
  assertEquals([getSize(near), getSize(far)], [SIZE, SIZE]);
  const largest = { columns: 65535, rows: 1 };
  setSize(near, largest);
  assertEquals([getSize(near), getSize(far)], [largest, largest]);
  close(far);
  close(near);
});

Deno.test(needing(PTMX, hasTerminals, "isNearEnd() tells that end from all else"), () => {
  const { near, far } = openTerminal(SIZE);
  const { read, write } = pipe();
  assertEquals([near, far, read, write].map(isNearEnd), [true, false, false, false]);
  [near, far, read, write].forEach(close);
});

Deno.test("getSize() throws for what is no terminal", () => {
  const { read, write } = pipe();
  assertThrows(() => getSize(read), SyscallError, "ioctl(TIOCGWINSZ): ENOTTY");
  [read, write].forEach(close);
});

/** Has the terminals' device be another file, or none. */
function instead(path: string): Disposable {
  const open = libc().openat;
  const other = encode(`${path}\0`);
  return shadow(libc(), "openat", () => (fd, name, flags, mode) => {
    const isTheirs = new TextDecoder().decode(name as BufferSource) === `${PTMX}\0`;
    return open(fd, isTheirs ? other : name, flags, mode);
  });
}

for (
  const [what, path, message] of [
    [
      "that isn't there",
      "/nowhere",
      "openat: ENOENT: No such file or directory " +
      "(terminals need /dev/ptmx, and a devpts that is mounted at /dev/pts)",
    ],
    [
      "that is something else",
      "/dev/null",
      "ioctl(TIOCSPTLCK): ENOTTY: Inappropriate ioctl for device " +
      "(terminals need /dev/ptmx, and a devpts that is mounted at /dev/pts)",
    ],
  ]
) {
  Deno.test(`openTerminal() says what it misses at a device ${what}`, async () => {
    await leavesNothing(() => {
      using _ = instead(path);
      const error = assertThrows(() => openTerminal(SIZE), SyscallError);
      assertEquals(error.message, message);
    });
  });
}

for (const answer of ["ENOSYS", "EPERM", "ENOTTY"] as const) {
  Deno.test({
    ...needing(
      `seccomp and ${PTMX}`,
      canFilter() && hasTerminals,
      `openTerminal() goes by the path where TIOCGPTPEER is answered with ${answer}`,
    ),
    async fn() {
      const found = await runForValue(
        `
        import { openTerminal } from "${ROOT}ffi/terminals.ts";
        import { forbid } from "${ROOT}tests/support/seccomp.ts";
        forbid(["ioctl(TIOCGPTPEER)"], ${Errno[answer]});
        const { near, far } = openTerminal({ columns: 1, rows: 1 });
        console.log(JSON.stringify(Deno.readLinkSync("/proc/self/fd/" + far)));
      `,
        ["--allow-all"],
      );
      assertEquals(/^\/dev\/pts\/\d+$/.test(found as string), true);
    },
  });
}

Deno.test({
  ...needing(
    `seccomp and ${PTMX}`,
    canFilter() && hasTerminals,
    "spawn() names the step that a sandbox forbids for a terminal, and leaves nothing",
  ),
  async fn() {
    const found = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      import { forbid } from "${ROOT}tests/support/seccomp.ts";
      import { openFds } from "${ROOT}tests/support/proc.ts";
      forbid(["ioctl(TIOCSCTTY)"], ${Errno.EPERM});
      try {
        spawn("true", { terminal: true });
      } catch ({ message }) {
        const files = openFds().map((fd) => Deno.readLinkSync("/proc/self/fd/" + fd));
        const left = files.filter((path) => /^\\/dev\\/(pts|ptmx)/.test(path));
        console.log(JSON.stringify([message, left]));
      }
    `,
      ["--allow-all"],
    );
    assertEquals(found, ["spawn: ioctl: EPERM: Operation not permitted (terminal)", []]);
  },
});

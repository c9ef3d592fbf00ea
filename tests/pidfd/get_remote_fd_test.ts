/**
 * Descriptors that another process has open: they can be had, with the right to, and nothing but
 * the open file is shared.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { getfdCall } from "../../ffi/capabilities.ts";
import { Errno } from "../../ffi/errno.ts";
import { read } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { type OwnedFd, PidFd, SyscallError, UnsupportedError } from "../../mod.ts";
import { blockUntilEnded, startTalking, startUnreaped } from "../support/children.ts";
import { setErrno } from "../support/errno.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { openFds, PATIENCE, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const PROGRAM = new URL("../support/fd_holder.ts", import.meta.url).href;
const TEXT = "in nobody else's hands";

/** A process that has a memfd and a pipe, each with a text in it, and both for itself. */
interface Holder extends AsyncDisposable {
  readonly pidfd: PidFd;
  /** Their numbers there. */
  readonly fds: Readonly<Record<"memfd" | "pipe", number>>;
}

async function startHolder(...args: string[]): Promise<Holder> {
  const run = ["run", "--allow-ffi", "--no-check", PROGRAM, ...args];
  const { child, line, [Symbol.asyncDispose]: end } = startTalking(Deno.execPath(), run);
  const pidfd = PidFd.fromChild(child);
  return {
    pidfd,
    fds: JSON.parse(await line()),
    async [Symbol.asyncDispose]() {
      pidfd.close();
      await end();
    },
  };
}

/** Reads some text. */
function readSome({ fd }: OwnedFd, length: number): string {
  const bytes = new Uint8Array(length);
  return new TextDecoder().decode(bytes.subarray(0, read(fd, bytes)));
}

/** Checks that something fails, and that it leaves no fd. */
function assertFails(act: () => unknown, code: string, message: string): void {
  const before = openFds();
  assertEquals(assertThrows(act, SyscallError, message).code, code);
  assertEquals(openFds(), before);
}

for (const what of ["memfd", "pipe"] as const) {
  Deno.test(
    needing(
      "Linux 5.6",
      getfdCall.available,
      `PidFd.getRemoteFd() reads what another process wrote into a ${what} that only it has`,
    ),
    async () => {
      await using holder = await startHolder();
      using remote = holder.pidfd.getRemoteFd(holder.fds[what]);
      assertEquals(isCloseOnExec(remote.fd), true);
      assertEquals(await deadline(new Response(remote.readable).text(), PATIENCE), TEXT);
    },
  );

  Deno.test(
    needing(
      "Linux 5.6",
      getfdCall.available,
      `PidFd.getRemoteFd() shares an open ${what}, and closes nothing of the other process's`,
    ),
    async () => {
      await using holder = await startHolder();
      const { pid } = holder.pidfd.getInfo();
      const theirs = Deno.readLinkSync(`/proc/${pid}/fd/${holder.fds[what]}`);
      {
        using one = holder.pidfd.getRemoteFd(holder.fds[what]);
        using other = holder.pidfd.getRemoteFd(holder.fds[what]);
        assertEquals([openOn(one.fd), openOn(other.fd)], [theirs, theirs]);
        assertEquals([readSome(one, 9), readSome(other, 100)], [TEXT.slice(0, 9), TEXT.slice(9)]);
      }
      assertEquals(Deno.readLinkSync(`/proc/${pid}/fd/${holder.fds[what]}`), theirs);
    },
  );
}

Deno.test(
  needing("Linux 5.6", getfdCall.available, "PidFd.getRemoteFd() says what isn't there"),
  () => {
    using child = startUnreaped("exec sleep 60");
    const ask = (fd: number) => () => child.pidfd.getRemoteFd(fd);
    for (const fd of [999, 2 ** 31 - 1]) {
      assertFails(ask(fd), "EBADF", `the process has no file descriptor ${fd}`);
    }
    child.pidfd.kill();
    blockUntilEnded(child.pid);
    assertFails(ask(0), "ESRCH", "the process ended");
    child.pidfd.waitSync({ reap: true });
    assertFails(ask(0), "ESRCH", "the process ended");
  },
);

/** Runs a program that must not look into processes that are not dumpable. */
const withoutPtrace = withoutCapability("sys_ptrace");

Deno.test(
  needing(
    "Linux 5.6 and setpriv",
    getfdCall.available && works(withoutPtrace),
    "PidFd.getRemoteFd() says which right is missing",
  ),
  async () => {
    await using holder = await startHolder("in private");
    const { pid } = holder.pidfd.getInfo();
    const refusal = await runForValue(
      `
        import { PidFd } from "@pidfd/util";
        using pidfd = PidFd.fromPid(${pid});
        try {
          pidfd.getRemoteFd(${holder.fds.memfd});
        } catch ({ code, message }) {
          console.log(JSON.stringify({ code, message }));
        }
      `,
      ["--allow-ffi"],
      withoutPtrace,
    );
    const hint = "this needs the right to ptrace the process (PTRACE_MODE_ATTACH_REALCREDS)";
    assertEquals(refusal, {
      code: "EPERM",
      message: `pidfd_getfd: EPERM: Operation not permitted (${hint})`,
    });
  },
);

Deno.test("PidFd.getRemoteFd() is unsupported before Linux 5.6", () => {
  using self = PidFd.fromSelf();
  using _ = shadow(libc(), "syscall_pidfd_getfd", () => () => {
    setErrno(Errno.ENOSYS);
    return -1;
  });
  const { feature, since } = assertThrows(() => self.getRemoteFd(0), UnsupportedError);
  assertEquals([feature, since], ["pidfd_getfd", "Linux 5.6"]);
});

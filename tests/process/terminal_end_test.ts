/**
 * The end of a child's own terminal, from either side.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, OwnedFd, spawn, SyscallError } from "../../mod.ts";
import { leavesNothing } from "../support/commands.ts";
import { onTerminal, readUntil, start } from "../support/dialog.ts";
import { collected } from "../support/garbage.ts";
import { idle, openFds, PATIENCE } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { encode } from "../support/sockets.ts";

onTerminal(
  "Terminal ends with the last process that has it, and closes its descriptors",
  async () => {
    await idle();
    const before = openFds();
    const { reader, writer } = OwnedFd.pipe();
    const { terminal, status } = start(`trap '' HUP; { read -r _ <&3; echo last; } & echo first`, {
      fds: { 3: reader },
    });
    reader.close();
    assert(terminal);
    const text = terminal.readable.text();
    assertEquals((await deadline(status, PATIENCE)).code, 0);
    await nextTurn();
    assertEquals([await isPending(text), terminal.closed], [true, false]);
    writer.close();
    assertEquals(await deadline(text, PATIENCE), "first\r\nlast\r\n");
    assertEquals(terminal.closed, true);
    await idle();
    assertEquals(openFds(), before);
  },
);

onTerminal("Terminal has all that was shown, though it is read after the child's end", async () => {
  const child = start("stty -opost; seq 300");
  await deadline(child.status, PATIENCE);
  const expected = Array.from({ length: 300 }, (_, i) => `${i + 1}\n`).join("");
  assertEquals(await deadline(child.terminal!.readable.text(), PATIENCE), expected);
  await idle();
});

onTerminal("Terminal after its end takes a size, a closing, and no more text", async () => {
  const { terminal, status } = start("exit 7");
  assert(terminal);
  const [early, late] = [terminal.writable.getWriter(), terminal];
  assertEquals(await deadline(terminal.readable.text(), PATIENCE), "");
  await assertRejects(() => early.write(encode("lost")), Deno.errors.BadResource);
  late.resize(100, 30);
  assertEquals([late.columns, late.rows, late.closed], [100, 30, true]);
  terminal.close();
  terminal[Symbol.dispose]();
  assertEquals((await status).code, 7);

  const other = start("exit 7").terminal!;
  const writer = other.writable.getWriter();
  await deadline(other.readable.text(), PATIENCE);
  await deadline(writer.close(), PATIENCE);
  await idle();
});

onTerminal("Terminal fails a write that waits when nobody can read it any more", async () => {
  const child = start("stty raw -echo; echo ready; exec sleep 600");
  const { readable, writable } = child.terminal!;
  const reader = readable.getReader();
  await deadline(reader.read(), PATIENCE);
  const write = writable.getWriter().write(new Uint8Array(2 ** 20));
  write.catch(() => {});
  await nextTurn();
  assertEquals(await isPending(write), true);
  child.kill("SIGKILL");
  const { code } = await assertRejects(() => deadline(write, PATIENCE), SyscallError);
  assertEquals(code, "EIO");
  child.terminal!.close();
  await child.status;
  await idle();
});

/** The ways to hang up. */
const HANGING_UP: Readonly<Record<string, (child: Child) => Promise<void> | void>> = {
  "close()": ({ terminal }) => terminal!.close(),
  "the end of a block": ({ terminal }) => {
    using _ = terminal!;
  },
  "readable.cancel()": ({ terminal }) => terminal!.readable.cancel(),
};

for (const [what, hangUp] of Object.entries(HANGING_UP)) {
  onTerminal(`Terminal hangs up by ${what}: the child gets SIGHUP`, async () => {
    const child = start("exec sleep 600");
    const { terminal, status } = child;
    await hangUp(child);
    assertEquals((await deadline(status, PATIENCE)).signal, "SIGHUP");
    assertEquals([terminal!.closed, Deno.inspect(terminal)], [true, "Terminal { closed: true }"]);
    await idle();
  });

  onTerminal(`Child that ignores SIGHUP outlives its terminal after ${what}`, async () => {
    // The kernel ends what is read a moment before it refuses what is written.
    const script = `trap '' HUP; echo ready; read -r _ </dev/tty || echo "no input"
      while echo lost >&0; do :; done; echo "no output"; exit 7`;
    const child = start(script, { stdout: "piped", stderr: "null" });
    const reader = child.stdout.getReader();
    await readUntil(reader, /^ready\n$/);
    await hangUp(child);
    await readUntil(reader, /^no input\nno output\n$/);
    assertEquals((await deadline(child.status, PATIENCE)).code, 7);
    assertEquals((await deadline(reader.read(), PATIENCE)).done, true);
    await idle();
  });
}

onTerminal("Terminal that is closed rejects whoever reads or writes", async () => {
  await using child = start("stty raw -echo; echo ready; exec sleep 600");
  const { terminal } = child;
  const reader = terminal!.readable.getReader();
  await deadline(reader.read(), PATIENCE);
  const writer = terminal!.writable.getWriter();
  const write = writer.write(new Uint8Array(2 ** 20));
  const read = reader.read();
  await nextTurn();
  terminal!.close();
  for (const pending of [read, write] as Promise<unknown>[]) {
    await assertRejects(() => deadline(pending, PATIENCE), Deno.errors.BadResource);
  }
  await assertRejects(() => writer.closed, Deno.errors.BadResource);
});

onTerminal("Child's disposal ends what is on its terminal, and closes that", async () => {
  await idle();
  const before = openFds();
  const child = start(`trap '' HUP; setsid sleep 600 & sleep 600 & echo ready; wait`);
  const reader = child.terminal!.readable.getReader();
  await deadline(reader.read(), PATIENCE);
  await child[Symbol.asyncDispose]();
  assertEquals(child.terminal!.closed, true);
  assertEquals((await child.status).success, false);
  reader.closed.catch(() => {});
  await idle();
  assertEquals(openFds(), before);
});

onTerminal("Terminal that nobody holds stays as long as its child runs", async () => {
  const { reader, writer } = OwnedFd.pipe();
  const status = (() => start("read -r _ <&3; exit 7", { fds: { 3: reader } }).status)();
  reader.close();
  await collected();
  writer.close();
  assertEquals((await deadline(status, PATIENCE)).code, 7);
  // It is closed as garbage.
  await collected();
  await idle();
});

onTerminal("spawn() that fails leaves nothing of a terminal", async () => {
  await leavesNothing(() => {
    for (const options of [{}, { stdout: "piped" }, { cwd: "/nowhere" }] as const) {
      const command = "cwd" in options ? "/bin/true" : "/nowhere/program";
      assertThrows(() => spawn(command, { terminal: true, ...options }), SyscallError, "ENOENT");
    }
  });
});

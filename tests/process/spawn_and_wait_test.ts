/**
 * A child from its start to its end in one call: that both streams come whole, whatever the child
 * reads meanwhile, that nothing stays behind, and that its time is kept.
 *
 * @module
 */

import { assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import {
  type ChildOutput,
  spawn,
  spawnAndWait,
  spawnAndWaitSync,
  type SpawnOptions,
  SyscallError,
} from "../../mod.ts";
import { leavesNothing } from "../support/commands.ts";
import { eventually, idle, openFds, PATIENCE } from "../support/processes.ts";
import { pattern } from "../support/sockets.ts";

const MEBIBYTE = 2 ** 20;

/** A shell command that writes this many bytes to each stream at the same time. */
const FLOOD = `head -c ${64 * MEBIBYTE} /dev/zero & head -c ${64 * MEBIBYTE} /dev/zero >&2; wait`;

type Run = (command: string, options?: SpawnOptions) => ChildOutput | Promise<ChildOutput>;

/** The output of a child that writes a line before its time is up. That is doubled until it does. */
async function inTime(
  run: (timeout: number) => ChildOutput | Promise<ChildOutput>,
): Promise<ChildOutput> {
  for (let timeout = 200;; timeout *= 2) {
    const output = await run(timeout);
    if (output.stdoutText.endsWith("\n")) return output;
    assertLess(timeout, PATIENCE);
  }
}

for (const [name, run] of Object.entries<Run>({ spawnAndWait, spawnAndWaitSync })) {
  const outputOf: typeof run = (...args) => deadline(Promise.resolve(run(...args)), PATIENCE);

  Deno.test(`${name}() gives status, bytes and texts`, async () => {
    const args = ["-c", "printf 'ä\\n'; echo err >&2; exit 3"];
    const { stdout, code, success, stdoutText, stderrText, truncated } = await outputOf("sh", {
      args,
    });
    assertEquals([code, success, truncated], [3, false, false]);
    assertEquals([stdoutText, stderrText], ["ä\n", "err\n"]);
    assertEquals(stdout, new Uint8Array([0xc3, 0xa4, 0x0a]));
    assertEquals(stdout.buffer.byteLength, 3);
  });

  Deno.test(`${name}() takes 64 MiB from each stream at once`, async () => {
    const { stdout, stderr, code } = await outputOf("sh", { args: ["-c", FLOOD] });
    assertEquals([stdout.length, stderr.length, code], [64 * MEBIBYTE, 64 * MEBIBYTE, 0]);
  });

  Deno.test(`${name}() writes 16 MiB of input while it reads as much`, async () => {
    const input = pattern(16 * MEBIBYTE);
    const { stdout, code } = await outputOf("cat", { input });
    assertEquals([stdout.length, code], [input.length, 0]);
    assertEquals(stdout.every((byte, i) => byte === input[i]), true);
  });

  Deno.test(`${name}() takes an input that is empty, shared, or none`, async () => {
    assertEquals((await outputOf("cat", { input: "" })).stdoutText, "");
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(65);
    assertEquals((await outputOf("cat", { input: shared, stdin: "piped" })).stdoutText, "AA");
    const { stdoutText } = await outputOf("readlink", { args: ["/proc/self/fd/0"] });
    assertEquals(stdoutText, "/dev/null\n");
  });

  Deno.test(`${name}() is content with a child that doesn't read its input`, async () => {
    const input = new Uint8Array(MEBIBYTE);
    assertEquals((await outputOf("true", { input })).code, 0);
    const args = ["-c", "head -c 1 | wc -c; exec <&-; echo more"];
    assertEquals((await outputOf("sh", { args, input })).stdoutText, "1\nmore\n");
  });

  Deno.test(`${name}() leaves no fd and no child behind`, async () => {
    await idle();
    const before = openFds();
    for (let i = 0; i < 20; i++) await outputOf("cat", { input: "a" });
    await eventually("its fds are closed", () => `${openFds()}` === `${before}`);
  });

  Deno.test(`${name}() ends a child after its timeout, and cuts off what others hold open`, async () => {
    const args = ["-c", "sleep 60 & echo out $!; sleep 60"];
    const { signal, stdoutText, truncated } = await inTime((timeout) =>
      name === "spawnAndWait"
        ? spawn("sh", { args, stdout: "piped", timeout }).output({ waitDelay: 0 })
        : outputOf("sh", { args, timeout })
    );
    const [word, pid] = stdoutText.split(" ");
    Deno.kill(Number(pid));
    assertEquals([signal, word, truncated], ["SIGTERM", "out", true]);
  });

  Deno.test(`${name}() kills a child that ignores its timeout`, async () => {
    const args = ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.01; done"];
    const { signal } = await inTime(
      (timeout) => outputOf("sh", { args, timeout, end: { grace: 20 } }),
    );
    assertEquals(signal, "SIGKILL");
  });

  Deno.test(`${name}() throws at once what is in the way of the start, and leaves nothing`, async () => {
    await leavesNothing(() => {
      const missing = () => run("/nope", { input: "a" });
      assertThrows(missing, Deno.errors.NotFound, "Failed to spawn '/nope': execve: ENOENT");
      const cwd = () => run("true", { cwd: "/nope" });
      assertThrows(cwd, Deno.errors.NotFound, "Failed to spawn 'true': No such cwd: chdir: ENOENT");
      const file = () => run("true", { cwd: "/etc/passwd" });
      assertEquals(assertThrows(file, SyscallError, "cwd is not a directory").code, "ENOTDIR");
      assertThrows(file, Deno.errors.NotFound);
    });
  });

  Deno.test(`${name}() refuses what can't be`, async () => {
    const refused: [SpawnOptions, string][] = [
      [{ stdin: "piped" }, "Piped stdin is not supported for this function, use 'spawn()' instead"],
      [{ input: "a", stdin: "null" }, "options.input must not be combined with stdin"],
      [{ input: 1 as never }, "options.input must be a string or a Uint8Array: 1"],
      [{ stdout: {} as never }, "options.stdout must be"],
      [{ terminal: true }, "options.terminal must not be given here: it takes spawn()"],
    ];
    await leavesNothing(() => {
      for (const [options, message] of refused) {
        assertThrows(() => run("true", options), TypeError, message);
      }
      const signal = AbortSignal.abort(new RangeError("before"));
      assertThrows(() => run("true", { signal }), RangeError, "before");
    });
  });
}

Deno.test("spawnAndWait() ends at an abort, with what the child wrote until then", async () => {
  const controller = new AbortController();
  const args = ["-c", "echo out; exec sleep 60"];
  const pending = spawnAndWait("sh", { args, signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  const { signal, stdoutText } = await deadline(pending, PATIENCE);
  // Whether it came to write before is a matter of its speed.
  assertEquals([signal, ["", "out\n"].includes(stdoutText)], ["SIGTERM", true]);
  await idle();
});

Deno.test("spawnAndWaitSync() refuses to end a tree, which takes an event loop", () => {
  const start = () => spawnAndWaitSync("true", { timeout: 1000, end: { tree: true } });
  assertThrows(start, TypeError, "options.end.tree");
});

Deno.test("spawnAndWaitSync() waits for a child that writes now and then", () => {
  const args = [
    "-c",
    "for i in 1 2 3; do echo $i; sleep 0.05; done; exec >&- 2>&-; sleep 0.05; exit 3",
  ];
  const { stdoutText, code } = spawnAndWaitSync("sh", args);
  assertEquals([stdoutText, code], ["1\n2\n3\n", 3]);
});

Deno.test("spawn() writes its input, and its child.stdin is locked", async () => {
  const child = spawn("cat", { input: "meow", stdout: "piped" });
  assertEquals(child.stdin.locked, true);
  assertEquals((await deadline(child.output(), PATIENCE)).stdoutText, "meow");
});

Deno.test("spawn() takes an input for a child that is disposed of before it reads it", async () => {
  const child = spawn("sleep", { args: ["60"], input: new Uint8Array(16 * MEBIBYTE) });
  await child[Symbol.asyncDispose]();
  assertEquals((await child.status).success, false);
  await idle();
});

Deno.test("ChildOutput can be copied and printed, whichever stream isn't piped", () => {
  const output = spawnAndWaitSync("echo", { args: ["a"], stderr: "null" });
  assertThrows(() => output.stderr, TypeError, `'stderr' is not piped: start the child with`);
  assertThrows(() => output.stderrText, TypeError, "'stderr' is not piped");
  assertEquals("stderr" in { ...output }, false);
  assertEquals({ ...output }.stdout, output.stdout);
  assertLess(0, Deno.inspect(output).length);
});

Deno.test("ChildOutput's text has U+FFFD where there is no UTF-8", () => {
  const { stdoutText } = spawnAndWaitSync("printf", { args: ["a\\377b"] });
  assertEquals(stdoutText, "a\ufffdb");
});

Deno.test("Child.output() tells which stream is being read", async () => {
  const child = spawn("true", { stdout: "piped", stderr: "piped" });
  const reader = child.stderr.getReader();
  await assertRejects(() => child.output(), TypeError, "Cannot collect output: 'stderr' is locked");
  reader.releaseLock();
  assertEquals((await deadline(child.output(), PATIENCE)).stderr.length, 0);
});

/**
 * What can't be meant is refused before anything is done, with a message that says where it is.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { setSubreaper, spawn, type SpawnOptions } from "../../mod.ts";
import { leavesNothing } from "../support/commands.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

/** What goes by many names: as a value, and as part of the message. */
type Bad = readonly [options: Record<string, unknown>, message: string];

async function refuses(
  type: typeof TypeError | typeof RangeError,
  command: unknown,
  options: Record<string, unknown>,
  message: string,
): Promise<void> {
  // What is started against all expectation must not disturb the tests that follow.
  await using started = new AsyncDisposableStack();
  await leavesNothing(() => {
    const all = { ...PIPES, ...options } as SpawnOptions;
    const error = assertThrows(() => started.use(spawn(command as string, all)), type);
    assertEquals(error.name, type.name);
    assertStringIncludes(error.message, message);
  });
}

const WITH_NUL: Readonly<Record<string, Bad>> = {
  "an argument": [{ args: ["a", "b\0c"] }, "options.args[1]"],
  "argv0": [{ argv0: "\0" }, "options.argv0"],
  "cwd": [{ cwd: "/tmp\0" }, "options.cwd"],
  "the path of a URL": [{ cwd: new URL("file:///tmp%00") }, "options.cwd"],
  "a variable's name": [{ env: { "A\0": "b" } }, "options.env"],
  "a variable's value": [{ env: { A: "b\0" } }, "options.env.A"],
  "cgroup": [{ cgroup: "/sys/fs/cgroup\0" }, "options.cgroup"],
};

for (const [name, [options, message]] of Object.entries(WITH_NUL)) {
  Deno.test(`spawn() refuses a NUL byte in ${name}`, async () => {
    await refuses(TypeError, "true", options, message);
  });
}

Deno.test("spawn() refuses a NUL byte in the command", async () => {
  for (const command of ["true\0", "/bin/true\0", "\0", new URL("file:///bin/true%00")]) {
    await refuses(TypeError, command, {}, "command");
  }
});

Deno.test("spawn() refuses what is no command", async () => {
  for (const command of [undefined, null, 1, {}, ["true"], ""]) {
    await refuses(TypeError, command, {}, "command");
  }
  await refuses(TypeError, new URL("https://example.com/bin/true"), {}, "command");
});

const WRONG_TYPES: readonly Bad[] = [
  [{ args: "a b" }, "options.args"],
  [{ args: {} }, "options.args"],
  [{ args: [1] }, "options.args[0]"],
  [{ args: ["a", undefined] }, "options.args[1]"],
  [{ argv0: 1 }, "options.argv0"],
  [{ cwd: 1 }, "options.cwd"],
  [{ cwd: new URL("https://example.com/") }, "options.cwd"],
  [{ env: null }, "options.env"],
  [{ env: "A=1" }, "options.env"],
  [{ env: { A: 1 } }, "options.env.A"],
  [{ env: { A: undefined } }, "options.env.A"],
  [{ env: { "": "a" } }, "options.env"],
  [{ env: { "A=B": "a" } }, "options.env"],
  [{ clearEnv: "no" }, "options.clearEnv"],
  [{ clearEnv: 1 }, "options.clearEnv"],
  [{ detached: 1 }, "options.detached"],
  [{ detached: "false" }, "options.detached"],
  [{ processGroup: "0" }, "options.processGroup"],
  [{ processGroup: true }, "options.processGroup"],
  [{ stdin: {} }, "options.stdin"],
  [{ stdout: true }, "options.stdout"],
  [{ stderr: 1n }, "options.stderr"],
  [{ fds: { 3: {} } }, "options.fds[3]"],
  [{ fds: { 3: undefined } }, "options.fds[3]"],
  [{ cgroup: 1 }, "options.cgroup"],
  [{ cgroup: "/proc" }, "options.cgroup"],
  [{ signal: {} }, "options.signal"],
  [{ signal: "SIGTERM" }, "options.signal"],
];

const OUT_OF_RANGE: readonly Bad[] = [
  [{ stdin: "pipe" }, "options.stdin"],
  [{ stdout: "" }, "options.stdout"],
  [{ stderr: "NULL" }, "options.stderr"],
  [{ stdin: -1 }, "options.stdin"],
  [{ stdout: 1.5 }, "options.stdout"],
  [{ stderr: 2 ** 31 }, "options.stderr"],
  [{ stderr: NaN }, "options.stderr"],
  [{ fds: { 3: -1 } }, "options.fds[3]"],
  [{ fds: { 2: 1 } }, "options.fds: 2"],
  [{ fds: { "-1": 1 } }, "options.fds: -1"],
  [{ fds: { stdin: 1 } }, "options.fds: stdin"],
  [{ fds: { 3.5: 1 } }, "options.fds: 3.5"],
  [{ fds: { [2 ** 31]: 1 } }, "options.fds: 2147483648"],
  [{ processGroup: -1 }, "options.processGroup"],
  [{ processGroup: 1.5 }, "options.processGroup"],
  [{ processGroup: 2 ** 31 }, "options.processGroup"],
];

for (const [type, table] of [[TypeError, WRONG_TYPES], [RangeError, OUT_OF_RANGE]] as const) {
  for (const [options, message] of table) {
    Deno.test(`spawn() throws a ${type.name} for ${Deno.inspect(options)}`, async () => {
      await refuses(type, "true", options, message);
    });
  }
}

Deno.test("setSubreaper() refuses all but true and false", () => {
  for (const value of [undefined, null, 0, 1, "on"] as unknown[]) {
    const { message } = assertThrows(() => setSubreaper(value as boolean), TypeError);
    assertStringIncludes(message, "on must be a boolean");
  }
});

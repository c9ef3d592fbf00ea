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

const HALF = "\ud83d";

const WITH_HALF: Readonly<Record<string, Bad>> = {
  "an argument": [{ args: ["a", `b${HALF}`] }, "options.args[1]"],
  "argv0": [{ argv0: HALF }, "options.argv0"],
  "cwd": [{ cwd: `/tmp/${HALF}` }, "options.cwd"],
  "a variable's name": [{ env: { [HALF]: "b" } }, "options.env"],
  "a variable's value": [{ env: { A: HALF } }, "options.env.A"],
  "cgroup": [{ cgroup: `/sys/fs/cgroup/${HALF}` }, "options.cgroup"],
  "user": [{ user: HALF }, "options.user"],
};

for (const [name, [options, message]] of Object.entries(WITH_HALF)) {
  Deno.test(`spawn() refuses half of a surrogate pair in ${name}`, async () => {
    await refuses(TypeError, "true", options, `${message}`);
    await refuses(TypeError, "true", options, "lone surrogate");
  });
}

Deno.test("spawn() refuses half of a surrogate pair in the command", async () => {
  for (const command of [HALF, `/bin/${HALF}`]) {
    await refuses(TypeError, command, {}, "command must not have a lone surrogate");
  }
});

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
  [{ args: null }, "options.args"],
  [{ args: ["a", undefined] }, "options.args[1]"],
  // deno-lint-ignore no-sparse-arrays
  [{ args: ["a", , "b"] }, "options.args[1] must be a string: undefined"],
  [{ argv0: 1 }, "options.argv0"],
  [{ cwd: 1 }, "options.cwd"],
  [{ cwd: new URL("https://example.com/") }, "options.cwd"],
  [{ cwd: new URL("file://host/tmp") }, "options.cwd must be a file URL without a host"],
  [{ cwd: new URL("file:///tmp/%FF") }, "options.cwd must be a file URL in UTF-8"],
  [{ cwd: "" }, "options.cwd must not be empty"],
  [{ env: null }, "options.env"],
  [{ env: "A=1" }, "options.env"],
  [{ env: new Map([["A", "1"]]) }, "options.env"],
  [{ env: [["A", "1"]] }, "options.env"],
  [{ fds: [0, 1, 2, 3] }, "options.fds"],
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
  [{ processGroup: 1, detached: true }, "options.processGroup must be 0 with options.detached"],
  [{ stdin: {} }, "options.stdin"],
  [{ stdout: true }, "options.stdout"],
  [{ stderr: 1n }, "options.stderr"],
  [{ stdin: null }, "options.stdin"],
  [{ stdout: null }, "options.stdout"],
  [{ stderr: null }, "options.stderr"],
  [{ fds: { 3: {} } }, "options.fds[3]"],
  [{ fds: { 3: undefined } }, "options.fds[3]"],
  [{ cgroup: 1 }, "options.cgroup"],
  [{ cgroup: "/proc" }, "options.cgroup"],
  [{ signal: {} }, "options.signal"],
  [{ signal: "SIGTERM" }, "options.signal"],
  [{ uid: "0" }, "options.uid"],
  [{ gid: null }, "options.gid"],
  [{ groups: 1 }, "options.groups"],
  [{ groups: ["1"] }, "options.groups[0]"],
  // deno-lint-ignore no-sparse-arrays
  [{ groups: [1, , 2] }, "options.groups[1]"],
  [{ user: 0 }, "options.user"],
  [{ user: "root", uid: 0 }, "options.user"],
  [{ user: "root", gid: 0 }, "options.user"],
  [{ user: "root", groups: [] }, "options.user"],
  [{ umask: "077" }, "options.umask"],
  [{ nice: "1" }, "options.nice"],
  ...[1, 0, false, "", null].map((limits) => [{ limits }, "options.limits must be"] as const),
  [{ limits: { core: "0" } }, "options.limits.core"],
  [{ limits: { core: null } }, "options.limits.core must be a number, or soft and hard ones: null"],
  [{ limits: { core: { soft: 1, hard: 1, hrd: 2 } } }, "options.limits.core has no option"],
  [{ limits: { core: [1, 2] } }, "options.limits.core"],
  [{ limits: { core: { soft: 0 } } }, "options.limits.core"],
  [{ limits: { core: { soft: 0, hard: "1" } } }, "options.limits.core"],
  [{ noNewPrivileges: 1 }, "options.noNewPrivileges"],
  [{ parentDeathSignal: true }, "options.parentDeathSignal"],
  // Names that aren't there, with the nearest that are.
  [{ uuid: 0 }, `options.uuid is unknown: the nearest option is "uid"`],
  [{ noNewPrivs: true }, `options.noNewPrivs is unknown: the nearest option is "noNewPrivileges"`],
  [{ CWD: "/" }, `options.CWD is unknown: the nearest option is "cwd"`],
  [{ arguments: [] }, `options.arguments is unknown`],
  [{ shell: true }, "options.shell is unknown"],
  [{ limit: undefined }, `options.limit is unknown: the nearest option is "limits"`],
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
  [{ fds: { "0x10": 1 } }, "options.fds: 0x10"],
  [{ fds: { " 7 ": 1 } }, "options.fds:  7 "],
  [{ fds: { "1e1": 1 } }, "options.fds: 1e1"],
  [{ fds: { "07": 1 } }, "options.fds: 07"],
  [{ fds: { [2 ** 31]: 1 } }, "options.fds: 2147483648"],
  [{ processGroup: -1 }, "options.processGroup"],
  [{ processGroup: 1.5 }, "options.processGroup"],
  [{ processGroup: 2 ** 31 }, "options.processGroup"],
  [{ uid: -1 }, "options.uid"],
  [{ uid: 2 ** 32 - 1 }, "options.uid"],
  [{ gid: 1.5 }, "options.gid"],
  [{ gid: 2 ** 32 - 1 }, "options.gid"],
  [{ groups: [0, -1] }, "options.groups[1]"],
  [{ umask: 0o1000 }, "options.umask"],
  [{ umask: -1 }, "options.umask"],
  [{ nice: -21 }, "options.nice"],
  [{ nice: 20 }, "options.nice"],
  [{ nice: 0.5 }, "options.nice"],
  [{ limits: { files: 1 } }, "options.limits"],
  [{ limits: { nofile: -1 } }, "options.limits.nofile"],
  [{ limits: { nofile: 1.5 } }, "options.limits.nofile"],
  [{ limits: { nofile: NaN } }, "options.limits.nofile"],
  [{ limits: { nofile: { soft: 2, hard: 1 } } }, "options.limits.nofile"],
  [{ parentDeathSignal: 0 }, "options.parentDeathSignal"],
  [{ parentDeathSignal: 65 }, "options.parentDeathSignal"],
  [{ parentDeathSignal: "SIGNONE" }, "options.parentDeathSignal"],
];

Deno.test("spawn() takes its arguments before the options, or among them", async () => {
  const script = 'echo "$0 $*"';
  const all = [
    spawn("sh", { args: ["-c", script, "a", "b c"], stdout: "piped" }),
    spawn("sh", ["-c", script, "a", "b c"], { stdout: "piped" }),
  ];
  for (const child of all) {
    assertEquals(await child.stdout.text(), "a b c\n");
    await child.status;
  }
  assertEquals((await spawn("true", []).status).code, 0);
  assertEquals((await spawn("true").status).code, 0);
  assertEquals((await spawn("true", undefined).status).code, 0);
});

Deno.test("spawn() refuses arguments in both places, and what is neither", async () => {
  const start = spawn as (...args: unknown[]) => unknown;
  await leavesNothing(() => {
    for (
      const [args, message] of [
        [[["a"], { args: ["b"] }], "Passing 'args' in options is not allowed"],
        [[["a", 1]], "args[1] must be a string: 1"],
        // deno-lint-ignore no-sparse-arrays
        [[["a", , "b"]], "args[1] must be a string: undefined"],
        [[[], []], "options must be an object"],
        [[new Map()], "options must be an object"],
        [["a b", {}], "args must be an array"],
        [["a b"], "options must be an object"],
        [[null], "options must be an object"],
        [[[], 1], "options must be an object"],
        [[[], { uidd: 0 }], 'options.uidd is unknown: the nearest option is "uid"'],
        [[[], { shell: true }], "options.shell is unknown"],
      ] as const
    ) {
      const error = assertThrows(() => start("true", ...args), TypeError);
      assertEquals(error.message.startsWith(message), true, error.message);
    }
  });
});

Deno.test("spawn() refuses an unknown option that the options inherit", () => {
  const options: SpawnOptions = Object.create({ enviroment: {} });
  assertThrows(() => spawn("true", options), TypeError, "options.enviroment is unknown");
});

Deno.test("spawn() accepts every option of Deno.Command", async () => {
  const options: Required<Omit<Deno.CommandOptions, "uid" | "gid" | "signal">> = {
    ...{ args: ["-c", "exit 7"], cwd: "/", clearEnv: true, env: { A: "1" } },
    ...{ stdin: "null", stdout: "null", stderr: "null", windowsRawArguments: true },
    detached: true,
  };
  assertEquals((await spawn("/bin/sh", options).status).code, 7);
});

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

/**
 * Who a child is and what it may do, compared with what setpriv(1), prlimit(1), nice(1) and a
 * shell's umask make of a child.
 *
 * @module
 */

import { assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type LimitName, spawn, type SpawnOptions, SyscallError } from "../../mod.ts";
import { leavesNothing, run } from "../support/commands.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { isRoot, runForValue } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";

const NOBODY = 65534;
const hasSetpriv = canRun("setpriv", ["--no-new-privs", "true"]);
const hasPrlimit = canRun("prlimit", ["--core=0", "true"]);

/** The lines of a process's status that tell what it may do. proc_pid_status(5) */
function rightsIn(status: string): string[] {
  return status.match(/^(Uid|Gid|Groups|Umask|NoNewPrivs|Cap\w+|Sig(Pnd|Blk|Ign|Cgt)):.*$/gm)!;
}

async function rightsOf(options: SpawnOptions): Promise<string[]> {
  const { stdout } = await run("/bin/cat", { args: ["/proc/self/status"], ...options });
  return rightsIn(stdout);
}

/** The rights of a command that other tools start, each with its options. */
async function rightsBy(tool: string, ...args: string[]): Promise<string[]> {
  return rightsIn(await outputBy(tool, ...args, "/bin/cat", "/proc/self/status"));
}

/** What another tool's command prints. Not started by Deno, which has two signals ignored there. */
async function outputBy(command: string, ...args: string[]): Promise<string> {
  return (await run(command, { args, stderr: "inherit" })).stdout;
}

/** What gives setpriv the IDs of a user, and its groups. */
function identityByName(user: string): string[] {
  const [uid, gid] = ["-u", "-g"].map((option) => {
    const { stdout } = new Deno.Command("id", { args: [option, user] }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  });
  return [`--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];
}

const BY_SETPRIV: Readonly<Record<string, [options: SpawnOptions, tool: string[]]>> = {
  "nothing": [{}, []],
  "noNewPrivileges": [{ noNewPrivileges: true }, ["--no-new-privs"]],
};

const BY_SETPRIV_AS_ROOT: typeof BY_SETPRIV = {
  "uid": [{ uid: NOBODY }, [`--reuid=${NOBODY}`, "--clear-groups"]],
  "gid": [{ gid: NOBODY }, [`--regid=${NOBODY}`, "--keep-groups"]],
  "uid and gid": [
    { uid: NOBODY, gid: NOBODY },
    [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"],
  ],
  "root's own uid": [{ uid: 0 }, ["--reuid=0", "--clear-groups"]],
  "groups": [{ groups: [7, 8, 9] }, ["--groups=7,8,9"]],
  "no groups": [{ groups: [] }, ["--clear-groups"]],
  "uid, gid and groups": [
    { uid: 1, gid: 2, groups: [3, 4] },
    ["--reuid=1", "--regid=2", "--groups=3,4"],
  ],
  "user: nobody": [{ user: "nobody" }, identityByName("nobody")],
  "user: root": [{ user: "root" }, identityByName("root")],
  "all at once": [
    { uid: NOBODY, gid: NOBODY, noNewPrivileges: true, parentDeathSignal: "SIGTERM" },
    [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--no-new-privs"],
  ],
};

for (const [name, [options, tool]] of Object.entries({ ...BY_SETPRIV, ...BY_SETPRIV_AS_ROOT })) {
  const needsRoot = name in BY_SETPRIV_AS_ROOT;
  Deno.test({
    ...needing(
      needsRoot ? "root and setpriv" : "setpriv",
      hasSetpriv && (isRoot || !needsRoot),
      `spawn() gives the child the rights that setpriv does with ${name}`,
    ),
    async fn() {
      assertEquals(
        await rightsOf(options),
        await rightsBy(tool.length > 0 ? "setpriv" : "env", ...tool),
      );
    },
  });
}

Deno.test("spawn() takes this program's own uid and gid from everybody", async () => {
  const [uid, gid] = [Deno.uid()!, Deno.gid()!];
  const { stdout } = await run("id", { args: ["-u"], uid, gid });
  assertEquals(stdout, `${uid}\n`);
});

/** What comes of `id -G` in a program with other rights. */
function groupsIn(prefix: readonly string[], options: SpawnOptions): Promise<unknown> {
  return runForValue(
    `
    import { spawn } from "@pidfd/util";
    try {
      const options = { ...${JSON.stringify(options)}, stdout: "piped" };
      const child = spawn("id", ["-G"], options);
      console.log(JSON.stringify((await child.stdout.text()).trim()));
    } catch ({ message }) {
      console.log(JSON.stringify(message));
    }
  `,
    ["--allow-ffi"],
    prefix,
  );
}

const asMappedRoot = ["unshare", "--user", "--map-root-user"];

Deno.test({
  ...needing(
    "user namespaces",
    works(asMappedRoot),
    "spawn() takes root's own uid where root may not change groups",
  ),
  async fn() {
    const groups = new TextDecoder().decode(
      new Deno.Command("unshare", { args: [...asMappedRoot.slice(1), "id", "-G"] }).outputSync()
        .stdout,
    ).trim();
    assertEquals(await groupsIn(asMappedRoot, { uid: 0 }), groups);
  },
});

/** A user with a group and the right to change the user, but not the groups. */
const asUserChanger = ["setpriv", "--reuid=1000", "--regid=1000", "--groups=4"].concat(
  [
    "--inh-caps=+setuid,+dac_override",
    "--ambient-caps=+setuid,+dac_override",
    "--bounding-set=-setgid",
  ],
);

Deno.test({
  ...needing(
    "root and setpriv",
    isRoot && works(asUserChanger),
    "spawn() never lets another user have this program's groups",
  ),
  async fn() {
    const refused =
      "Failed to spawn 'id': setgroups: EPERM: Operation not permitted (groups: none)";
    assertEquals(await groupsIn(asUserChanger, { uid: NOBODY }), refused);
    assertEquals(await groupsIn(asUserChanger, { uid: 1000 }), "1000 4");
  },
});

Deno.test("spawn() with umask has the child make files as a shell's umask does", async () => {
  for (const umask of [0, 0o22, 0o77, 0o777]) {
    const { stdout } = await run("sh", { args: ["-c", "umask"], umask });
    const octal = umask.toString(8);
    assertEquals(stdout, await outputBy("sh", "-c", `umask ${octal}; exec sh -c umask`));
    assertEquals(parseInt(stdout, 8), umask);
  }
});

/** This program's own niceness. */
const NICENESS = Number(await outputBy("nice"));

Deno.test("spawn() with nice gives the child the niceness that nice(1) does", async () => {
  for (const nice of [NICENESS, Math.min(NICENESS + 3, 19), 19, ...(isRoot ? [-20, -1] : [])]) {
    const { stdout } = await run("nice", { nice });
    assertEquals(stdout, await outputBy("nice", "-n", String(nice - NICENESS), "nice"));
    assertEquals(Number(stdout), nice);
  }
});

/** A child's limits, a line each. */
async function limitsOf(limits: SpawnOptions["limits"]): Promise<string> {
  return (await run("/bin/cat", { args: ["/proc/self/limits"], limits })).stdout;
}

const LIMITS: Readonly<Record<LimitName, number>> = {
  ...{ as: 2 ** 33, core: 0, cpu: 60, data: 2 ** 33, fsize: 2 ** 20, locks: 5, memlock: 4096 },
  ...{ msgqueue: 8192, nice: 0, nofile: 50, nproc: 1000, rss: 2 ** 30, rtprio: 0, rttime: 1000 },
  ...{ sigpending: 100, stack: 2 ** 20 },
};

for (const [name, value] of Object.entries(LIMITS)) {
  Deno.test({
    ...needing("prlimit", hasPrlimit, `spawn() limits ${name} as prlimit does`),
    async fn() {
      const before = await limitsOf(undefined);
      const pairs = [value, { soft: Math.min(value, 10), hard: value }];
      // Nothing runs without memory.
      for (
        const limit of ["as", "data", "stack", "cpu", "rttime", "fsize"].includes(name)
          ? [value]
          : pairs
      ) {
        const text = typeof limit === "object" ? `${limit.soft}:${limit.hard}` : String(limit);
        const theirs = await outputBy(
          "prlimit",
          `--${name}=${text}`,
          "/bin/cat",
          "/proc/self/limits",
        );
        assertEquals(await limitsOf({ [name]: limit }), theirs);
      }
      assertEquals(await limitsOf(undefined), before);
    },
  });
}

Deno.test("spawn() limits several things, and takes Infinity for no limit", async () => {
  const limits = { core: { soft: 0, hard: Infinity }, fsize: 2 ** 20, rss: undefined };
  const needed = { ...limits, core: isRoot ? limits.core : 0 };
  const text = await limitsOf(needed);
  assertEquals(/^Max core file size +0 +(\S+)/m.exec(text)![1], isRoot ? "unlimited" : "0");
  assertEquals(/^Max file size +(\d+) +(\d+)/m.exec(text)!.slice(1), ["1048576", "1048576"]);
});

Deno.test("spawn() limits descriptors after the child has got its own", async () => {
  const options = { limits: { nofile: 10 }, fds: { 50: 1 }, stdout: "piped" } as const;
  const child = spawn("sh", ["-c", "ulimit -n; [ -e /proc/$$/fd/50 ] && echo there"], options);
  assertEquals(await child.stdout.text(), "10\nthere\n");
  await child.status;
});

Deno.test({
  ...needing("root", isRoot, "spawn() sets what takes privileges before the user changes"),
  async fn() {
    const child = spawn("sh", ["-c", "nice; ulimit -Hn; id -u"], {
      ...{ uid: NOBODY, gid: NOBODY, nice: -5, limits: { nofile: 64 }, stdout: "piped" },
    });
    assertEquals(await child.stdout.text(), `-5\n64\n${NOBODY}\n`);
    await child.status;
  },
});

Deno.test({
  ...needing("root", isRoot, "spawn() enters cwd with the rights of the child's user"),
  async fn() {
    const cwd = await Deno.makeTempDir();
    try {
      assertEquals((await run("pwd", { cwd, uid: 0 })).stdout, `${cwd}\n`);
      await leavesNothing(() => {
        const start = () => spawn("pwd", { cwd, uid: NOBODY, gid: NOBODY });
        const { message } = assertThrows(start, SyscallError);
        assertEquals(message, `Failed to spawn 'pwd': chdir: EACCES: Permission denied (${cwd})`);
      });
    } finally {
      await Deno.remove(cwd);
    }
  },
});

Deno.test("spawn() throws ENOENT for a user that there isn't", async () => {
  await leavesNothing(() => {
    const start = () => spawn("true", { user: "pidfd-test-none" });
    const { code, message } = assertThrows(start, SyscallError);
    assertEquals(code, "ENOENT");
    assertStringIncludes(message, 'there is no user "pidfd-test-none"');
  });
});

/** What ordinary users may not, and how they are told. */
const REFUSED: readonly (readonly [options: SpawnOptions, message: string])[] = [
  [{ uid: 1 }, "setgroups: EPERM: Operation not permitted (groups: none)"],
  [{ gid: 1 }, "setresgid: EPERM: Operation not permitted (gid: 1)"],
  [{ groups: [1, 2] }, "setgroups: EPERM: Operation not permitted (groups: 1, 2)"],
  [{ user: "nobody" }, "setgroups: EPERM"],
  [{ nice: -20 }, "setpriority: EACCES: Permission denied (nice: -20)"],
  [
    { limits: { nofile: { soft: 1, hard: 2 ** 40 } } },
    "prlimit64: EPERM: Operation not permitted (limits.nofile: 1, at most 1099511627776)",
  ],
];

const powerless = withoutCapability("setuid", "setgid", "sys_nice", "sys_resource");

Deno.test({
  ...needing("setpriv", works(powerless), "spawn() says what it may not do, and starts nothing"),
  async fn() {
    const found = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      import { childrenOf } from "${new URL("../support/trees.ts", import.meta.url)}";

      const found = ${JSON.stringify(REFUSED)}.map(([options]) => {
        try {
          return String(spawn("true", options).pid);
        } catch ({ message }) {
          return message;
        }
      });
      console.log(JSON.stringify([found, childrenOf(Deno.pid)]));
    `,
      ["--allow-all"],
      powerless,
    ) as [string[], number[]];
    found[0].forEach((message, i) => {
      assertStringIncludes(message, "Failed to spawn '");
      assertStringIncludes(message, REFUSED[i][1]);
    });
    assertEquals(found[1], []);
  },
});

Deno.test("spawn() says when no limit can be what it is to be", async () => {
  await leavesNothing(() => {
    // The kernel has a highest number for everybody (fs.nr_open).
    const start = () => spawn("true", { limits: { nofile: Infinity } });
    assertEquals(assertThrows(start, SyscallError).code, "EPERM");
  });
});

const libc = Deno.dlopen("libc.so.6", {
  // int prctl(int op, ...);
  prctl: { parameters: ["i32"], result: "i32" },
});
const PR_GET_DUMPABLE = 3;

for (const options of [{ uid: NOBODY }, { gid: NOBODY }, { user: "nobody" }]) {
  Deno.test({
    ...needing(
      "root",
      isRoot,
      `spawn() shares no memory with a child that has ${Deno.inspect(options)}`,
    ),
    async fn() {
      // The kernel makes memory not dumpable in which a process changes its user. PR_GET_DUMPABLE(2const)
      assertEquals(libc.symbols.prctl(PR_GET_DUMPABLE), 1);
      const child = spawn("true", options);
      assertEquals(libc.symbols.prctl(PR_GET_DUMPABLE), 1);
      assertEquals((await child.status).code, 0);
    },
  });
}

Deno.test("spawn() leaves this program's own rights as they are", async () => {
  const own = () => rightsIn(Deno.readTextFileSync("/proc/thread-self/status"));
  const limits = () => Deno.readTextFileSync("/proc/self/limits");
  const before = [own(), limits()];
  const child = spawn("true", {
    ...{ umask: 0, nice: 19, limits: { core: 0 }, noNewPrivileges: true },
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
    parentDeathSignal: "SIGKILL",
  });
  assertEquals([own(), limits()], before);
  assertEquals((await child.status).code, 0);
  assertNotEquals(before[0].length, 0);
});

/**
 * Children in new namespaces of their own, against unshare(1) and lsns(8).
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { killOnCloseSpawn } from "../../ffi/capabilities.ts";
import {
  type NamespaceKind,
  PidFd,
  spawn,
  spawnAndWaitSync,
  type SpawnOptions,
  SyscallError,
} from "../../mod.ts";
import { Passage } from "../../process/namespaces.ts";
import { leavesNothing, run } from "../support/commands.ts";
import {
  canUnshare,
  foreignKinds,
  mounting,
  namespacesOf,
  optionOf,
  OWN_KINDS,
  settled,
  standing,
  testNamespaces as test,
  USER_NAMESPACES,
  withRights,
} from "../support/namespaces.ts";
import { eventually, idle, isRoot, openFds, PATIENCE, runForValue } from "../support/processes.ts";
import { canFilter, canRun, needing } from "../support/skip.ts";

/** A child that goes on until it is disposed of. */
function waiting(options: SpawnOptions) {
  return spawn("sleep", ["60"], { stdin: "null", end: { signal: "SIGKILL" }, ...options });
}

/** The kinds of which unshare(1) has a process live in another namespace than this thread. */
async function byUnshare(kinds: readonly string[]): Promise<string[]> {
  const forks = kinds.some((kind) => kind === "pid" || kind === "time") ? ["--fork"] : [];
  const args = [...kinds.map(optionOf), ...forks, "sh", "-c", "read -r _"];
  await using child = spawn("unshare", args, { stdin: "piped", end: { signal: "SIGKILL" } });
  let pid = child.pid;
  if (forks.length > 0) {
    const children = () => Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`);
    await eventually("unshare has forked", () => children() !== "");
    pid = parseInt(children());
  }
  await eventually("the shell is there", () => readLink(pid) === readLink(Deno.pid, "/bin/sh"));
  return foreignKinds(pid);
}

function readLink(pid: number, path?: string): string {
  return path === undefined ? Deno.readLinkSync(`/proc/${pid}/exe`) : Deno.realPathSync(path);
}

/** The namespaces of a process that nobody else is in, as lsns(8) has them. */
async function byLsns(pid: number, kinds: readonly string[]): Promise<string[]> {
  const args = ["-n", "-r", "-o", "TYPE,NS", "-p", String(pid)];
  let stdout = "";
  // It gives up, without a word, if a process ends that it looks at.
  await eventually("lsns has seen all processes", () => {
    const output = spawnAndWaitSync("lsns", args, { stdin: "null" });
    stdout = output.stdoutText;
    return output.success;
  });
  const lines = stdout.trim().split("\n").map((line) => line.split(" "));
  return lines.filter(([type]) => kinds.includes(type)).map(([type, ns]) => `${type}:[${ns}]`)
    .sort();
}

function canCompare(kinds: readonly string[]): boolean {
  return canRun("unshare", [...kinds.map(optionOf), "--fork", "true"]) &&
    canRun("lsns", ["--version"]);
}

const COMBINATIONS: NamespaceKind[][] = [
  ...OWN_KINDS.map((kind) => withRights(kind)),
  withRights("pid", "mnt"),
  [...OWN_KINDS],
];

for (const kinds of COMBINATIONS) {
  test(`spawn() with unshare ${kinds} has the namespaces that unshare(1) has`, async () => {
    await settled();
    const before = [standing(), openFds()];
    {
      await using child = waiting({ unshare: kinds });
      // A time namespace is a child's own only once unshare(1) forks, and so is one of PIDs.
      assertEquals(foreignKinds(child.pid), [...kinds].sort());
      assertEquals(await byUnshare(kinds), [...kinds].sort());
      const own = namespacesOf(child.pid);
      assertEquals(await byLsns(child.pid, kinds), kinds.map((kind) => own[kind]).sort());
      assertEquals(child.pidfd.getPids().length, kinds.includes("pid") ? 2 : 1);
    }
    await idle();
    assertEquals([standing(), openFds()], before);
  }, [`unshare --${kinds.join(" --")}, and lsns`, canCompare(kinds)]);
}

test("spawn() with unshare user maps this program's own ids, as unshare -c does", async () => {
  const script = "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups";
  const { stdout, stderr } = await run("sh", { args: ["-c", script], unshare: ["user"] });
  const words = stdout.trim().split(/\s+/).map((word) => Number(word) || word);
  const [uid, gid] = [Deno.uid(), Deno.gid()].map((id) => id || "0");
  assertEquals([words, stderr], [[uid, gid, uid, uid, 1, gid, gid, 1, "deny"], ""]);
  const theirs = await run("unshare", { args: ["--map-current-user", "sh", "-c", script] });
  assertEquals(theirs.stdout, stdout);
}, ["unshare --map-current-user", canRun("unshare", ["--map-current-user", "true"])]);

test("spawn() with unshare pid has a first process, whose end is everybody's", async () => {
  const script = "sleep 60 & echo $$; read -r _";
  const unshare = withRights("pid");
  const child = spawn("sh", ["-c", script], { unshare, stdin: "piped", stdout: "piped" });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await deadline(lines.read(), PATIENCE)).value, "1\n");
  const pid = Number(
    Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`).trim(),
  );
  using other = PidFd.fromPid(pid);
  assertEquals(other.getPids(), [pid, 2]);
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 1);
  await deadline(other.exited(), PATIENCE);
  await lines.cancel();
});

test("spawn() with unshare pid_for_children has its children alone in there", async () => {
  const unshare = withRights("pid_for_children");
  const script = "echo $$; sh -c 'echo $$'; exit 7";
  const child = spawn("sh", ["-c", script], { unshare, stdout: "piped" });
  const { code, stdoutText } = await deadline(child.output(), PATIENCE);
  assertEquals([code, stdoutText], [7, `${child.pid}\n1\n`]);
});

test("spawn() with unshare mnt lets no mount out", async () => {
  const folder = Deno.makeTempDirSync();
  const unshare = withRights("mnt");
  // Only root may mount: an ordinary user's child is no root, and loses its rights.
  if (isRoot) {
    const script = `"$@" && echo >${folder}/inside && ls ${folder}`;
    const args = ["-c", script, "sh", ...mounting(folder)];
    const { stdout, stderr } = await run("sh", { args, unshare });
    assertEquals([stdout, stderr], ["inside\n", ""]);
    assertEquals([...Deno.readDirSync(folder)], []);
  }
  Deno.removeSync(folder);
  // By then the mounts are private: each has neither peers nor a master.
  const { stdout: mounts } = await run("cat", { args: ["/proc/self/mountinfo"], unshare });
  const tags = mounts.trim().split("\n").map((line) => line.split(" - ")[0].split(" ").slice(6));
  assertEquals(tags.flat().filter((tag) => tag.startsWith("shared:")), []);
});

test("spawn() with unshare leaves the streams as they are", async () => {
  const unshare = withRights("user", "net");
  const { stdoutText } = await deadline(
    spawn("cat", { unshare, input: "through\n", stdout: "piped" }).output(),
    PATIENCE,
  );
  assertEquals(stdoutText, "through\n");
  // Also in a program that has no standard input itself.
  const value = await runForValue(
    `
    import { OwnedFd, spawnAndWait } from "@pidfd/util";
    using empty = OwnedFd.open("/dev/null");
    const { stdoutText } = await spawnAndWait("readlink", ["/proc/self/fd/0", "/proc/self/fd/3"], {
      unshare: ["user"],
      stdin: "inherit",
      fds: { 3: empty },
    }).catch(({ message }) => ({ stdoutText: message }));
    console.log(JSON.stringify(stdoutText));
  `,
    ["--allow-ffi"],
    ["sh", "-c", 'exec "$@" 0</dev/zero', "sh"],
  );
  assertEquals(value, "/dev/zero\n/dev/null\n");
});

test("spawn() with unshare user shares no memory with the child", () => {
  // With the rights of that namespace, somebody could trace the child before it executes.
  const owns = (unshare: NamespaceKind[]) => {
    using passage = new Passage({ unshare, nsenter: [] });
    return passage.ownMemory;
  };
  assertEquals([owns(["user"]), owns(["user", "net"]), owns(["net", "pid"])], [true, true, false]);
});

test("spawn() with unshare goes together with the other options", async () => {
  const unshare = withRights("user", "pid");
  const uid = Deno.uid()!;
  await using child = spawn("sh", ["-c", "tty; id -u; ulimit -n; umask; exit 7"], {
    ...{ unshare, terminal: true, uid, limits: { nofile: 64 }, umask: 0o27, nice: 5 },
    ...{ noNewPrivileges: true, parentDeathSignal: "SIGKILL", cwd: "/", detached: true },
  });
  let text = "";
  for await (const piece of child.terminal!.readable.pipeThrough(new TextDecoderStream())) {
    text += piece;
  }
  assertEquals(text.split("\r\n").slice(1), [`${uid}`, "64", "0027", ""]);
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
});

test(
  "spawn() with unshare pid and killOnClose has all in there end with the last handle",
  async () => {
    const script = "sleep 60 & echo; read -r _";
    const child = spawn("sh", ["-c", script], {
      ...{ unshare: withRights("pid"), killOnClose: true, stdin: "piped", stdout: "piped" },
    });
    await deadline(child.stdout.getReader().read(), PATIENCE);
    assertEquals(child.pidfd.getPids()[1], 1);
    child.kill("SIGKILL");
    assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGKILL");
  },
  ["Linux 7.1", killOnCloseSpawn.available],
);

test("spawn() with unshare names the step that failed, and leaves nothing", async () => {
  await idle();
  const before = standing();
  await leavesNothing(() => {
    for (const kinds of COMBINATIONS) {
      const start = () => spawn("true", { unshare: kinds, cwd: "/nope" });
      assertThrows(start, Deno.errors.NotFound, "chdir: ENOENT");
    }
  });
  assertEquals(standing(), before);
});

if (!isRoot) {
  test("spawn() says what an ordinary user lacks for namespaces", async () => {
    await leavesNothing(() => {
      for (const kind of OWN_KINDS) {
        if (kind === "user") continue;
        const start = () => spawn("true", { unshare: [kind] });
        const { message } = assertThrows(start, SyscallError, `EPERM`);
        assertStringIncludes(message, `(unshare ${kind})`);
        assertStringIncludes(message, 'unshare: ["user", …]');
      }
    });
    // One refusal is no reason to change to another call.
    assertEquals((await run("true", { unshare: ["user", "net"] })).code, 0);
  });
}

const LIMIT = "/proc/sys/user/max_net_namespaces";
const limited = (then: string) => [
  ...["unshare", "--user", "--map-root-user", "sh", "-c"],
  `echo 0 >${then} && exec "$@"`,
  "sh",
];
const canLimit = canUnshare && canRun(limited(LIMIT)[0], [...limited(LIMIT).slice(1), "true"]);

for (const kind of ["user", "net"] as const) {
  const setting = `user.max_${kind}_namespaces`;
  Deno.test(
    needing("unshare", canLimit, `spawn() names the sysctl ${setting} where that forbids it`),
    async () => {
      const found = await runForValue(
        `
        import { features, spawn } from "@pidfd/util";
        const before = features().userNamespaces;
        try {
          spawn("true", { unshare: [${JSON.stringify(kind)}] });
        } catch ({ code, message }) {
          console.log(JSON.stringify([code, message, before]));
        }
      `,
        ["--allow-ffi"],
        limited(`/proc/sys/user/max_${kind}_namespaces`),
      ) as [string, string, boolean];
      assertEquals([found[0], found[2]], ["ENOSPC", kind !== "user"]);
      assertStringIncludes(found[1], `the sysctl ${setting} is 0`);
    },
  );
}

Deno.test(
  needing(
    `seccomp, and ${USER_NAMESPACES}`,
    canFilter() && canUnshare,
    "spawn() with unshare works in a sandbox without clone3, time aside",
  ),
  async () => {
    const found = await runForValue(
      `
      import { spawn, spawnAndWait } from "@pidfd/util";
      import { forbid } from "${new URL("../support/seccomp.ts", import.meta.url)}";
      forbid(["clone3"], 38);
      const kinds = ${JSON.stringify(withRights("user", "pid", "net"))};
      const { stdoutText } = await spawnAndWait("sh", ["-c", "echo $$"], { unshare: kinds });
      let refusal;
      try {
        spawn("true", { unshare: ["user", "time"] });
      } catch (error) {
        refusal = [error.name, error.message.includes("clone3")];
      }
      console.log(JSON.stringify([stdoutText, refusal]));
    `,
      ["--allow-all"],
    );
    assertEquals(found, ["1\n", ["UnsupportedError", true]]);
  },
);

Deno.test("spawn() refuses namespaces that can't be meant", async () => {
  using self = PidFd.fromSelf();
  const closed = PidFd.fromSelf();
  closed.close();
  await leavesNothing(() => {
    // deno-lint-ignore no-explicit-any
    const refused = (options: any, type: new (...args: any[]) => Error, text: string) =>
      assertThrows(() => spawn("true", options), type, text);
    refused({ unshare: "user" }, TypeError, "options.unshare must be an array");
    refused({ unshare: ["users"] }, RangeError, "options.unshare[0] must be one of cgroup, ipc");
    refused({ unshare: [1] }, TypeError, "options.unshare[0] must be a string");
    refused({ nsenter: self }, TypeError, "options.nsenter.target must be a PidFd");
    refused({ nsenter: null }, TypeError, "options.nsenter must be an object");
    const nsenter = (kinds: unknown, more = {}) => ({ nsenter: { target: self, kinds, ...more } });
    refused(nsenter([]), TypeError, "must name at least one namespace");
    refused(nsenter(["net"], { kind: 1 }), TypeError, "has no option of that name: kind");
    refused(nsenter("net"), TypeError, "options.nsenter.kinds must be an array");
    refused(nsenter(["pid", "pid_for_children"]), TypeError, "both pid and pid_for_children");
    refused({ ...nsenter(["net"]), unshare: ["net"] }, TypeError, "must not both have net");
    refused({ ...nsenter(["pid"]), killOnClose: true }, TypeError, "options.killOnClose can't");
    refused(
      { nsenter: { target: closed, kinds: ["net"] } },
      Deno.errors.BadResource,
      "this PidFd is closed",
    );
  });
  assert(self.isAlive());
});

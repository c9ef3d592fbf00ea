/**
 * Children inside the namespaces of another process, against nsenter(1).
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { peerPidfds } from "../../ffi/capabilities.ts";
import { FdSocket, type NamespaceKind, PidFd, spawn, SyscallError } from "../../mod.ts";
import { leavesNothing, run, writeScript } from "../support/commands.ts";
import {
  COMBINATIONS,
  foreignKinds,
  mounting,
  namespacesOf,
  optionOf,
  OWN_KINDS,
  settled,
  standing,
  startApart,
  startTarget,
  testNamespaces as test,
  WAYS,
  withRights,
} from "../support/namespaces.ts";
import {
  eventually,
  idle,
  isRoot,
  openFds,
  PATIENCE,
  ROOT,
  zombies,
} from "../support/processes.ts";
import { canRun } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

/** What nsenter(1) has a process live in. It forks for PIDs alone. */
async function byNsenter(
  target: number,
  kinds: readonly string[],
): Promise<Record<string, string>> {
  const keep = kinds.includes("user") ? ["--preserve-credentials"] : [];
  const links = OWN_KINDS.map((kind) => `/proc/self/ns/${kind}`);
  const args = ["-t", `${target}`, ...kinds.map(optionOf), ...keep, "readlink", ...links];
  const { stdout, stderr } = await run("nsenter", { args });
  assertEquals(stderr, "");
  const lines = stdout.trim().split("\n");
  return Object.fromEntries(OWN_KINDS.map((kind, i) => [kind, lines[i]]));
}

/** A process that waits inside a target's namespaces. */
function startInside(target: PidFd, kinds: readonly NamespaceKind[]) {
  const nsenter = { target, kinds };
  return spawn("sleep", ["60"], { stdin: "null", nsenter, end: { signal: "SIGKILL" } });
}

const SUCCESS = { code: 0, signal: null, stdout: "", stderr: "" };

for (const [way, take] of Object.entries(WAYS)) {
  for (const kinds of COMBINATIONS) {
    test(`spawn() with nsenter ${kinds} goes where nsenter(1) goes${way}`, async () => {
      await settled();
      const before = [standing(), openFds()];
      {
        await using target = startTarget();
        using _ = take();
        await using child = startInside(target.pidfd, kinds);
        const theirs = namespacesOf(target.pid);
        const found = namespacesOf(child.pid);
        assertEquals(foreignKinds(child.pid), [...kinds].sort());
        for (const kind of kinds) assertEquals(found[kind], theirs[kind]);
        assertEquals(await byNsenter(target.pid, kinds), found);
        assertEquals(child.pidfd.getPids().length, kinds.includes("pid") ? 2 : 1);
        assertEquals(child.pidfd.getPpid(), Deno.pid);
      }
      await idle();
      assertEquals([standing(), openFds()], before);
    }, ["nsenter", canRun("nsenter", ["--version"])]);
  }
}

test("spawn() with nsenter pid has a child like any other", async () => {
  const before = zombies();
  await using target = startTarget(withRights("pid"));
  const nsenter = { target: target.pidfd, kinds: withRights("pid") };
  const script = "read -r word; echo $$ $word $0; echo err >&2; exit 7";
  const child = spawn("sh", ["-c", script, "arg"], {
    ...{ nsenter, input: "word\n", stdout: "piped", stderr: "piped", limits: { nofile: 64 } },
    ...{ umask: 0o77, nice: 3, noNewPrivileges: true, parentDeathSignal: "SIGKILL", cwd: "/" },
  });
  const { stdoutText, stderrText, code, usage } = await deadline(child.output(), PATIENCE);
  const [pid, ...words] = stdoutText.trim().split(" ");
  assert(Number(pid) > 1 && Number(pid) < child.pid);
  assertEquals([words, stderrText, code], [["word", "arg"], "err\n", 7]);
  assert(usage !== null && usage.minorFaults > 0);
  // Its end by a signal, and by time.
  const killed = startInside(target.pidfd, withRights("pid"));
  killed.kill("SIGTERM");
  assertEquals((await deadline(killed.status, PATIENCE)).signal, "SIGTERM");
  const timed = spawn("sleep", ["60"], { nsenter, timeout: 1 });
  assertEquals((await deadline(timed.status, PATIENCE)).signal, "SIGTERM");
  assertEquals([timed.timedOut, zombies()], [true, before]);
});

test("spawn() with nsenter makes new namespaces in there", async () => {
  await using target = startTarget(withRights("net"));
  for (const unshare of [["uts"], ["pid", "mnt"], ["time"]] as NamespaceKind[][]) {
    if (!unshare.every((kind) => OWN_KINDS.includes(kind))) continue;
    const nsenter = { target: target.pidfd, kinds: withRights("net") };
    await using child = spawn("sleep", ["60"], { nsenter, unshare, end: { signal: "SIGKILL" } });
    assertEquals(foreignKinds(child.pid), [...withRights("net"), ...unshare].sort());
    assertEquals(namespacesOf(child.pid).net, namespacesOf(target.pid).net);
    assertEquals(child.pidfd.getPids().at(-1), unshare.includes("pid") ? 1 : child.pid);
  }
});

test("spawn() with nsenter makes a user namespace in there, with its map", async () => {
  await using target = startTarget(withRights("mnt"));
  const nsenter = { target: target.pidfd, kinds: ["mnt"] as NamespaceKind[] };
  const args = ["/proc/self/uid_map"];
  const { stdout, stderr } = await run("cat", { args, nsenter, unshare: ["user"] });
  assertEquals([stdout.trim().split(/\s+/), stderr], [["0", "0", "1"], ""]);
}, ["root", isRoot]);

test("spawn() with nsenter looks for the command in there", async () => {
  using folder = new Folder();
  using target = startApart(withRights("mnt"));
  const nsenter = { target: target.pidfd, kinds: withRights("mnt") };
  const shell = (script: string) => run("sh", { args: ["-c", script], nsenter });
  const [command, ...args] = mounting(folder.at(""));
  assertEquals(await run(command, { args, nsenter }), SUCCESS);
  const script = `printf '#!/bin/sh\\necho "$0 $PWD"\\n' >only-there; chmod +x only-there`;
  assertEquals((await shell(`cd ${folder.at("")} && ${script}`)).stderr, "");
  const path = `/nope:${Deno.env.get("PATH")}:${folder.at("")}`;
  const options = { nsenter, env: { PATH: path }, args: [] };
  assertEquals((await run("only-there", options)).stdout, `${folder.at("")}/only-there /\n`);
  const { stdout } = await run("only-there", { ...options, cwd: folder.at("") });
  assertEquals(stdout, `${folder.at("")}/only-there ${folder.at("").replace(/\/$/, "")}\n`);
  writeScript(folder.at("only-here"), "#!/bin/sh\n");
  await leavesNothing(() => {
    assertThrows(() => spawn("only-here", options), Deno.errors.NotFound, "execve: ENOENT");
  });
}, ["root, who may mount", isRoot]);

test("spawn() with nsenter takes a handle that came over a socket", async () => {
  using folder = new Folder();
  const path = folder.at("socket");
  using listener = FdSocket.listen(path);
  const kinds = withRights("user", "net", "uts", "pid");
  const program = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(
    program,
    `
    import { FdSocket } from "${ROOT}mod.ts";
    const socket = await FdSocket.connect(${JSON.stringify(path)});
    await socket.receive();
  `,
  );
  // As PID 1, the program is the namespace's init.
  await using stranger = spawn(
    Deno.execPath(),
    ["run", "--allow-ffi", "--no-check", "--no-prompt", program],
    { unshare: kinds, env: { DENO_NO_UPDATE_CHECK: "1" }, end: { signal: "SIGKILL" } },
  );
  using socket = await deadline(listener.accept(), PATIENCE);
  using peer = socket.peer();
  await using child = startInside(peer, kinds);
  assertEquals(foreignKinds(child.pid), [...kinds].sort());
  for (const kind of kinds) {
    assertEquals(namespacesOf(child.pid)[kind], namespacesOf(stranger.pid)[kind]);
  }
  Deno.removeSync(program);
}, ["Linux 6.5", peerPidfds.available]);

test("spawn() with nsenter leaves out where this program is", async () => {
  using self = PidFd.fromSelf();
  await using child = startInside(self, [...OWN_KINDS]);
  assertEquals(foreignKinds(child.pid), []);
  assertEquals(child.pidfd.getPids(), self.getPids().slice(0, -1).concat(child.pid));
});

/** A user namespace with IDs of its own, whose root is 100000 here, as container engines have it. */
async function startContainer() {
  const command = new Deno.Command("unshare", {
    args: ["--user", "--pid", "--fork", "sleep", "60"],
  });
  const engine = command.spawn();
  const folder = `/proc/${engine.pid}`;
  const inside = () => Deno.readLinkSync(`${folder}/ns/user`);
  await eventually(
    "unshare has done so",
    () => inside() !== Deno.readLinkSync("/proc/self/ns/user"),
  );
  for (const map of ["uid_map", "gid_map"]) {
    Deno.writeTextFileSync(`${folder}/${map}`, "0 100000 1000");
  }
  const children = () => Deno.readTextFileSync(`${folder}/task/${engine.pid}/children`);
  await eventually("it has forked", () => children() !== "");
  return {
    pid: parseInt(children()),
    async [Symbol.asyncDispose]() {
      Deno.kill(parseInt(children()), "SIGKILL");
      await engine.status;
    },
  };
}

test("spawn() with nsenter user is root in there, and not here", async () => {
  await using container = await startContainer();
  using target = PidFd.fromPid(container.pid);
  const kinds: NamespaceKind[] = ["user", "pid"];
  const idsOf = (options = {}) => {
    using child = spawn("sleep", ["60"], { nsenter: { target, kinds }, ...options }).pidfd;
    const { ruid, euid, fsuid, rgid, fsgid } = child.getCreds();
    const groups = child.accessProc((proc) =>
      /^Groups:[ \t]*(.*?)[ \t]*$/m.exec(proc.readTextFile("status"))![1]
    );
    child.kill();
    return [ruid, euid, fsuid, rgid, fsgid, groups];
  };
  assertEquals(idsOf(), [100000, 100000, 100000, 100000, 100000, ""]);
  const other = idsOf({ uid: 7, gid: 8, groups: [9] });
  assertEquals(other, [100007, 100007, 100007, 100008, 100008, "100009"]);
  const start = () => spawn("true", { nsenter: { target, kinds }, uid: 1000 });
  assertThrows(start, SyscallError, "setresuid: EINVAL");
  const script = "id -u; id -g; id -G; cat /proc/self/setgroups";
  const { stdout } = await run("sh", { args: ["-c", script], nsenter: { target, kinds } });
  assertEquals(stdout, "0\n0\n0\nallow\n");
}, ["root", isRoot]);

test(
  "spawn() with nsenter enters what is above the user namespace with its own rights",
  async () => {
    await using outer = startTarget(["net", "uts"]);
    const nsenter = { target: outer.pidfd, kinds: ["net", "uts"] as NamespaceKind[] };
    await using target = spawn("sleep", ["60"], { nsenter, unshare: ["user", "ipc"] });
    const kinds: NamespaceKind[] = ["user", "ipc", "net", "uts"];
    await using child = startInside(target.pidfd, kinds);
    assertEquals(namespacesOf(child.pid), namespacesOf(target.pid));
    const theirs = await byNsenter(target.pid, kinds);
    assertEquals(theirs, namespacesOf(child.pid));
  },
  ["root, and nsenter", isRoot && canRun("nsenter", ["--version"])],
);

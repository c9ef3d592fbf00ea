/**
 * What a child is from its first instant, option by option: compared with what `Deno.Command`
 * makes of the same options, where it has them.
 *
 * @module
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { deadline } from "@std/async";
import { toFileUrl } from "@std/path";
import { PidFd, spawn } from "../../mod.ts";
import { fdsOf, run, runBoth } from "../support/commands.ts";
import { PATIENCE, runForValue } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

for (const code of [0, 1, 2, 127, 128, 255, 256, 300]) {
  Deno.test(`spawn() tells the exit code of \`exit ${code}\``, async () => {
    assertEquals((await runBoth("sh", { args: ["-c", `exit ${code}`] })).code, code & 255);
  });
}

for (const signal of ["SIGKILL", "SIGTERM", "SIGUSR1", "SIGABRT"] as const) {
  Deno.test(`spawn() tells that ${signal} ended the child`, async () => {
    const args = ["-c", `ulimit -c 0; kill -s ${signal.slice(3)} $$`];
    assertEquals((await runBoth("sh", { args })).signal, signal);
  });
}

Deno.test("spawn() starts the child where this program is, unless cwd says otherwise", async () => {
  using folder = new Folder();
  const other = folder.at("a folder, 100% ä");
  Deno.mkdirSync(other);
  assertEquals((await runBoth("pwd")).stdout, `${Deno.cwd()}\n`);
  assertEquals((await runBoth("pwd", { cwd: other })).stdout, `${other}\n`);
  assertEquals((await runBoth("pwd", { cwd: toFileUrl(other) })).stdout, `${other}\n`);
  assertEquals((await runBoth("pwd", { cwd: "/" })).stdout, "/\n");
  assertEquals((await runBoth("pwd", { cwd: "tests" })).stdout, `${Deno.cwd()}/tests\n`);
});

/** The fields of /proc/PID/stat that tell a process's place. */
interface Place {
  readonly pid: number;
  readonly group: number;
  readonly session: number;
}

const READ_STAT = ["-c", "cat /proc/$$/stat"];

function place(stat: string): Place {
  const [, , group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return { pid: parseInt(stat), group, session };
}

const OURS = place(Deno.readTextFileSync("/proc/self/stat"));

Deno.test("spawn() starts the child in this program's session and group", async () => {
  for (const options of [{}, { detached: false }]) {
    const { stdout } = await run("sh", { args: READ_STAT, ...options });
    const { group, session } = place(stdout);
    assertEquals([group, session], [OURS.group, OURS.session]);
  }
});

Deno.test("spawn() has a detached child lead a session, as Deno does", async () => {
  const options = { args: READ_STAT, detached: true };
  const { stdout } = await run("sh", options);
  const theirs = await new Deno.Command("sh", { ...options, stdout: "piped" }).spawn().output();
  for (const text of [stdout, new TextDecoder().decode(theirs.stdout)]) {
    const { pid, group, session } = place(text);
    assertEquals([group, session], [pid, pid]);
  }
});

Deno.test("spawn() has the child lead a process group with processGroup: 0", async () => {
  const { stdout } = await run("sh", { args: READ_STAT, processGroup: 0 });
  const { pid, group, session } = place(stdout);
  assertEquals([group, session], [pid, OURS.session]);
});

Deno.test("spawn() has a detached child lead its group with processGroup: 0, too", async () => {
  const { stdout } = await run("sh", { args: READ_STAT, detached: true, processGroup: 0 });
  const { pid, group, session } = place(stdout);
  assertEquals([group, session], [pid, pid]);
});

Deno.test("spawn() has the child join the group that processGroup names", async () => {
  await using leader = spawn("sleep", { args: ["60"], processGroup: 0 });
  const { stdout } = await run("sh", { args: READ_STAT, processGroup: leader.pid });
  const { pid, group, session } = place(stdout);
  assertNotEquals(pid, leader.pid);
  assertEquals([group, session], [leader.pid, OURS.session]);
});

const NONE = "0".repeat(16);

Deno.test("spawn() starts the child with default signal actions and none blocked", async () => {
  // This program does ignore some of them.
  const own = /^SigIgn:\t(.*)$/m.exec(Deno.readTextFileSync("/proc/self/status"))![1];
  assertNotEquals(own, NONE);
  // A shell would have changed some.
  const { stdout } = await run("grep", { args: ["-E", "^Sig(Blk|Ign)", "/proc/self/status"] });
  assertEquals(stdout, `SigBlk:\t${NONE}\nSigIgn:\t${NONE}\n`);
});

const WITH_SIGNALS = ["env", "--block-signal=USR1,WINCH,40", "--ignore-signal=HUP,USR2,41"];

Deno.test({
  ...needing(
    "GNU env",
    canRun(WITH_SIGNALS[0], [...WITH_SIGNALS.slice(1), "true"]),
    "spawn() doesn't pass on the signals that this program was started to block or ignore",
  ),
  fn: async () => {
    const program = `
      import { PidFd, spawn } from "@pidfd/util";
      const read = (text) => /^SigBlk:.(.*)\\nSigIgn:.(.*)$/m.exec(text).slice(1);
      const own = PidFd.fromSelf().accessProc((proc) => proc.readTextFile("status"));
      const child = spawn("cat", { args: ["/proc/self/status"], stdout: "piped" });
      const its = new TextDecoder().decode((await child.output()).stdout);
      console.log(JSON.stringify({ own: read(own), its: read(its) }));
    `;
    const value = await runForValue(program, ["--allow-ffi"], WITH_SIGNALS);
    const { own, its } = value as { own: string[]; its: string[] };
    assertEquals(own.includes(NONE), false);
    assertEquals(its, [NONE, NONE]);
  },
});

Deno.test("spawn() starts a child that ends behind `| head -1`", async () => {
  const script = "yes | head -1; yes > /dev/full; exit 7";
  const { code, stdout } = await run("sh", { args: ["-c", script] });
  assertEquals([code, stdout], [7, "y\n"]);
});

Deno.test("spawn() starts a child that is ended by signals which this program handles", async () => {
  const listener = () => {};
  for (const signal of ["SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, listener);
    try {
      await using child = spawn("sleep", { args: ["60"] });
      child.kill(signal);
      assertEquals((await deadline(child.status, PATIENCE)).signal, signal);
    } finally {
      Deno.removeSignalListener(signal, listener);
    }
  }
});

Deno.test("spawn() gives the child no fd but its standard streams", async () => {
  using inheritable = PidFd.fromSelf();
  inheritable.setCloseOnExec(false);
  assertEquals(Object.keys(await fdsOf({})), ["0", "1", "2"]);
});

Deno.test("spawn() gives the child no fd between those that it is to have", async () => {
  using stack = new DisposableStack();
  const fds = Array.from({ length: 8 }, () => stack.use(PidFd.fromSelf()));
  for (const fd of fds) fd.setCloseOnExec(false);
  const [first, last] = [fds[0].fd, fds.at(-1)!.fd];
  assertEquals(Object.keys(await fdsOf({ fds: { [last]: fds[3] } })), ["0", "1", "2", `${last}`]);
  assertEquals(Object.keys(await fdsOf({ fds: { [first]: fds[3] } })), ["0", "1", "2", `${first}`]);
});

Deno.test("spawn() needs --allow-ffi alone", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const child = spawn("sh", { args: ["-c", "cat; exit 7"], stdin: "piped", stdout: "piped" });
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("meow"));
    await writer.close();
    const { code, stdout } = await child.output();
    console.log(JSON.stringify([code, new TextDecoder().decode(stdout)]));
  `;
  assertEquals(await runForValue(program, ["--allow-ffi"]), [7, "meow"]);
});

Deno.test("spawn() keeps the program going until the child has ended", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const child = spawn("sh", { args: ["-c", "sleep 0.2; exit 7"] });
    child.status.then(({ code }) => console.log(code));
  `;
  assertEquals(await runForValue(program), 7);
});

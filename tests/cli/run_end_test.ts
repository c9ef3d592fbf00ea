/**
 * `pidfd run`: whatever ends it ends the command, and all that the command has started.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { CGROUPS, hasCgroups, TestCgroup } from "../support/cgroups.ts";
import { isZombie } from "../support/children.ts";
import { type RunningCli, start } from "../support/cli.ts";
import { AS_NOBODY, OTHER_USERS } from "../support/foreigner.ts";
import { withoutCapability } from "../support/privileges.ts";
import { eventually, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

const SIGNALS = [["SIGINT", "INT", 130], ["SIGTERM", "TERM", 143], ["SIGHUP", "HUP", 129]] as const;

/** A shell's command that starts a daemon, which prints its PID. Its parent is gone at once. */
const DAEMON = "(setsid sh -c 'echo $$; exec sleep 60' &)";

/** Runs a shell's command, which prints a line once it is ready. */
function startScript(script: string, ...options: string[]): RunningCli {
  return start(["run", ...options, "sh", "-c", script]);
}

for (const [signal, , code] of SIGNALS) {
  Deno.test(`pidfd run ends the command on ${signal}, and exits as that does`, async () => {
    await using cli = startScript("echo; exec sleep 60");
    await cli.line();
    cli.kill(signal);
    assertEquals(await cli.finished(), { code, stdout: "", stderr: "" });
    assertEquals(cli.left(), []);
  });
}

for (const [signal, name] of SIGNALS) {
  Deno.test(`pidfd run passes ${signal} on, and leaves time to end well`, async () => {
    const script = `trap 'echo got ${name}; exit 3' ${name}; echo; while :; do sleep 0.01; done`;
    await using cli = startScript(script, "--grace", "10m");
    await cli.line();
    cli.kill(signal);
    const { code, stdout } = await cli.finished();
    assertEquals([code, stdout], [3, `got ${name}\n`]);
  });
}

Deno.test("pidfd run ends daemons as well, whose parents are gone", async () => {
  await using cli = startScript(`${DAEMON}; ${DAEMON}; exec sleep 60`);
  const daemons = [Number(await cli.line()), Number(await cli.line())];
  await eventually("it is the parent of the daemons", () => {
    return daemons.every((pid) => readStat(pid)?.ppid === cli.pid);
  });
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 143);
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run sees a signal to both, even if the command's end is there as early", async () => {
  // Shells have such commands ignore SIGINT.
  const script = "sleep 60 & echo $$; exec sleep 60";
  await using cli = startScript(script, "--grace", "50ms");
  const command = Number(await cli.line());
  cli.kill("SIGSTOP");
  await eventually("it stopped", () => readStat(cli.pid)?.state === "T");
  for (const pid of [command, cli.pid]) Deno.kill(pid, "SIGINT");
  await eventually("the command ended", () => isZombie(command));
  cli.kill("SIGCONT");
  const stderr = "pidfd: killed after 50ms more\n";
  assertEquals(await cli.finished(), { code: 130, stdout: "", stderr });
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run kills what doesn't end within the grace", async () => {
  const script = "trap '' TERM; echo; while :; do sleep 60; done";
  await using cli = startScript(script, "--grace", "50ms");
  await cli.line();
  cli.kill("SIGTERM");
  const stderr = "pidfd: killed after 50ms more\n";
  assertEquals(await cli.finished(), { code: 137, stdout: "", stderr });
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run --grace 0s kills at once", async () => {
  const script = "trap 'echo got TERM; exit 3' TERM; echo; while :; do sleep 0.01; done";
  await using cli = startScript(script, "--grace=0s");
  await cli.line();
  cli.kill("SIGTERM");
  assertEquals(await cli.finished(), { code: 137, stdout: "", stderr: "" });
});

for (const second of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(`pidfd run kills at once on a second signal, be it ${second}`, async () => {
    const script = `trap 'echo got TERM' TERM; trap '' INT HUP; echo; while :; do sleep 0.01; done`;
    await using cli = startScript(script, "--grace", "10m");
    await cli.line();
    cli.kill("SIGTERM");
    assertEquals(await cli.line(), "got TERM");
    // One that comes within moments is no impatience: so a person types on.
    const typing = setInterval(() => cli.tryKill(second), 100);
    try {
      assertEquals((await cli.finished()).code, 137);
    } finally {
      clearInterval(typing);
    }
    assertEquals(cli.left(), []);
  });
}

Deno.test("pidfd run --timeout ends the command when the time is up, and exits with 124", async () => {
  await using cli = start(["run", "--timeout", "100ms", "sleep", "60"]);
  const { code, stderr } = await cli.finished();
  assertEquals([code, stderr], [124, "pidfd: ending after 100ms…\n"]);
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run --timeout ends a tree with daemons, and those that ignore SIGTERM", async () => {
  const script = `trap '' TERM; ${DAEMON}; sh -c 'sleep 60' & sleep 60 & wait; exit 3`;
  await using cli = startScript(script, "--timeout=500ms", "--grace=50ms");
  const { code, stderr } = await cli.finished();
  assertEquals(code, 124);
  assertEquals(stderr, "pidfd: ending after 500ms…\npidfd: killed after 50ms more\n");
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run --timeout exits with 124, even if the command ends well then", async () => {
  const script = "trap 'echo got TERM; exit 0' TERM; while :; do sleep 0.01; done";
  // A shell that gets the signal before it has set the trap ends as well.
  await using cli = startScript(script, "--timeout", "300ms");
  assertEquals((await cli.finished()).code, 124);
});

Deno.test("pidfd run --timeout leaves alone what ends in time", async () => {
  await using cli = startScript("exit 7", "--timeout", "596h");
  assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
});

Deno.test("pidfd run reaps orphans while the command runs", async () => {
  // Each of them reads a line, and ends.
  const orphan = "(sh -c 'echo $$; read _ <&3' &)";
  const script = `exec 3<&0; ${orphan}; ${orphan}; exec sleep 60 3<&-`;
  await using cli = startScript(script);
  const orphans = [Number(await cli.line()), Number(await cli.line())];
  await eventually("it is the parent of the orphans", () => {
    return orphans.every((pid) => readStat(pid)?.ppid === cli.pid);
  });
  for (const _ of orphans) await cli.say("");
  await eventually("the orphans are reaped", () => orphans.every((pid) => readStat(pid) === null));
  assertEquals(cli.hasEnded, false);
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 143);
});

Deno.test("pidfd run reaps an orphan that ended before it could be told", async () => {
  const script = "(sh -c 'echo $$' &); exec sleep 60";
  const options = { preload: "late_listener.ts", permissions: ["--allow-all"] };
  await using cli = start(["run", "sh", "-c", script], options);
  const orphan = Number(await cli.line());
  await eventually("the orphan is reaped", () => readStat(orphan) === null);
  assertEquals(cli.hasEnded, false);
});

Deno.test(needing(...OTHER_USERS, "pidfd run names those that it may not end"), async () => {
  const script = `"$@" sh -c 'echo $$; exec sleep 60 >/dev/null 2>&1'; :`;
  const prefix = withoutCapability("kill");
  // Without a cgroup, which would end them.
  const args = ["run", "--keep", "sh", "-c", script, "sh", ...AS_NOBODY];
  await using cli = start(args, { prefix });
  const spared = Number(await cli.line());
  cli.kill("SIGTERM");
  const { code, stdout, stderr } = await cli.finished();
  assertEquals([code, stdout], [125, ""]);
  assertMatch(stderr, new RegExp(`^pidfd: no permission to end ${spared} \\(sleep 60\\)\n$`));
  assertEquals(cli.left(), [spared]);
});

Deno.test({
  ...needing(
    CGROUPS,
    hasCgroups,
    "pidfd run --cgroup ends all that is in the cgroup",
  ),
  async fn() {
    await using cgroup = new TestCgroup();
    await using cli = startScript(`${DAEMON}; exec sleep 60`, "--cgroup", cgroup.path);
    await cli.line();
    // The daemon's parent may still be there.
    await eventually("both are in it alone", () => cgroup.pids().length === 2);
    cli.kill("SIGTERM");
    assertEquals((await cli.finished()).code, 143);
    assertEquals([cgroup.pids(), cli.left()], [[], []]);
  },
});

/**
 * `pidfd run`: what a command is and may do, and what is told of it.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { ProcessJson } from "../../cli.ts";
import { assertFails, output, pidfd, start } from "../support/cli.ts";
import { AS_NOBODY, OTHER_USERS } from "../support/foreigner.ts";
import { eventually, isRoot, readStat } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";

/** What a shell's command prints under options of `pidfd run`. */
async function shell(options: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await pidfd(["run", ...options.split(" "), "sh", "-c", script]);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd();
}

Deno.test("pidfd run --limit limits resources", async () => {
  assertEquals(await shell("--limit nofile=64", "ulimit -Sn; ulimit -Hn"), "64\n64");
  assertEquals(await shell("--limit nofile=64:128", "ulimit -Sn; ulimit -Hn"), "64\n128");
  const both = await shell("--limit core=0:unlimited --limit fsize=1k", "ulimit -Sc; ulimit -f");
  // Shells count file sizes in blocks of 512 or 1024 bytes.
  assertMatch(both, /^0\n[12]$/);
  assertEquals(await shell("--limit fsize=1K", "ulimit -f"), both.split("\n")[1]);
});

Deno.test("pidfd run --umask and --no-new-privileges restrict the command", async () => {
  assertEquals(await shell("--umask 027", "umask"), "0027");
  const line = "grep NoNewPrivs /proc/self/status";
  assertEquals(await shell("--no-new-privileges", line), "NoNewPrivs:\t1");
});

Deno.test("pidfd run --nice makes the command give way", async () => {
  const { code, stdout } = await pidfd(["run", "--nice", "19", "nice"]);
  assertEquals([code, stdout], [0, "19\n"]);
});

Deno.test({
  ...needing("root", isRoot, "pidfd run --user and --group change who the command is"),
  async fn() {
    const ids = "id -u; id -g; id -G";
    const user = (name: string) => {
      const { stdout } = new Deno.Command("sh", {
        args: ["-c", ids.replaceAll(/-./g, `$& ${name}`)],
      })
        .outputSync();
      return new TextDecoder().decode(stdout).trimEnd();
    };
    assertEquals(await shell("--user nobody", ids), user("nobody"));
    assertEquals(await shell("--user 1234", ids), "1234\n0\n0");
    assertEquals(await shell("--user 1234 --group 5678", ids), "1234\n5678\n5678");
  },
});

/** The name and the ID of some group; null on systems without any. */
function someGroup(): { name: string; gid: string } | null {
  const getent = canRun("getent", ["group", "daemon"]);
  if (!getent) return null;
  const { stdout } = new Deno.Command("getent", { args: ["group", "daemon"] }).outputSync();
  const [name, , gid] = new TextDecoder().decode(stdout).split(":");
  return { name, gid };
}

const GROUP = someGroup();

Deno.test({
  ...needing(
    "root, and getent with a group daemon",
    isRoot && GROUP !== null,
    "pidfd run --group takes a group by its name, and goes with --user",
  ),
  async fn() {
    const { name, gid } = GROUP!;
    const ids = "id -u; id -g";
    assertEquals(await shell(`--group ${name}`, ids), `0\n${gid}`);
    const [, group] = (await shell(`--user nobody --group ${name}`, ids)).split("\n");
    assertEquals(group, gid);
  },
});

const REFUSED: Readonly<Record<string, RegExp>> = {
  "--limit=nofile": /--limit must be NAME=SOFT or NAME=SOFT:HARD: nofile/,
  "--limit=nofiel=3": /there is no limit nofiel: did you mean nofile\?/,
  "--limit=nofile=many": /--limit takes a number, such as 1024 or 2G, or "unlimited": nofile=many/,
  "--limit=nofile=2:1": /the soft one is above the hard one: nofile=2:1/,
  "--nice=20": /--nice must be a number in -20…19: 20/,
  "--nice=x": /--nice must be a number/,
  "--umask=8": /--umask must be octal, such as 077: 8/,
  "--umask=1777": /--umask must be octal/,
  "--user=no-such-user": /--user: there is no user "no-such-user"/,
  "--group=no-such-group": /--group: there is no group "no-such-group"/,
  "--user=4294967295": /no ID is as high as 4294967295/,
  "--signal=0": /--signal must ask for an end: 0/,
  "--report=xml": /--report is --report or --report=json: xml/,
  "--keep=yes": /--keep takes no value: yes/,
};

for (const [option, message] of Object.entries(REFUSED)) {
  Deno.test(`pidfd run ${option} starts nothing, and says why`, async () => {
    await assertFails(["run", option, "echo", "started"], 125, message);
  });
}

Deno.test({
  ...needing(...OTHER_USERS, "pidfd run starts nothing with rights that it can't give"),
  async fn() {
    const message = /^pidfd: --user: (setgroups|setresuid): EPERM/;
    const options = { prefix: [...AS_NOBODY, "env", "HOME=/tmp", "DENO_DIR=/tmp/pidfd-test-deno"] };
    await assertFails(["run", "--user=0", "echo", "started"], 125, message, options);
    await Deno.remove("/tmp/pidfd-test-deno", { recursive: true }).catch(() => {});
  },
});

Deno.test("pidfd run ends what the command has left", async () => {
  await using cli = start(["run", "sh", "-c", "(setsid sleep 60 &) ; sleep 60 & exit 7"]);
  assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
  assertEquals(cli.left(), []);
});

Deno.test("pidfd run --keep leaves alone what the command has left", async () => {
  const script = "setsid sleep 60 >/dev/null 2>&1 & echo $!; exit 7";
  await using cli = start(["run", "--keep", "sh", "-c", script]);
  const { code, stdout } = await cli.finished();
  assertEquals([code, cli.left()], [7, [Number(stdout)]]);
});

Deno.test("pidfd run --keep ends the command's own tree in time", async () => {
  const script = "(setsid sleep 60 >/dev/null 2>&1 &); sleep 60 & sleep 60; :";
  await using cli = start(["run", "--keep", "-t", "0.5", "sh", "-c", script]);
  assertEquals((await cli.finished()).code, 124);
  assertEquals(cli.left().length, 1);
});

Deno.test("pidfd run --die-with-parent ends the command when its parent ends", async () => {
  const prefix = ["sh", "-c", `"$@" & read _; kill -KILL $$`, "sh"];
  const script = "trap 'echo got TERM; exit' TERM; echo ready; while :; do sleep 0.01; done";
  await using cli = start(["run", "--die-with-parent", "sh", "-c", script], { prefix });
  assertEquals(await cli.line(), "ready");
  await cli.say("");
  assertEquals(await cli.line(), "got TERM");
  await eventually("all have ended", () => cli.left().length === 0);
});

Deno.test("pidfd run --die-with-parent has the command end with pidfd", async () => {
  await using cli = start(["run", "--die-with-parent", "sh", "-c", "echo $$; exec sleep 60"]);
  const command = Number(await cli.line());
  cli.kill("SIGKILL");
  await eventually("the command has ended", () => readStat(command)?.ppid !== cli.pid);
  await eventually("the command is gone", () => cli.left().length === 0);
});

Deno.test("pidfd run --report tells how the command ended, and what it took", async () => {
  const { code, stderr } = await pidfd(["run", "--report", "sh", "-c", "exit 7"]);
  assertEquals(code, 7);
  const facts = [
    "pidfd: \\S+ \\(sh -c exit 7\\) exited with 7",
    "  ended   by itself",
    "  wall    \\d+\\.\\d{3} s",
    "  cpu     \\d+\\.\\d{3} s user, \\d+\\.\\d{3} s system",
    "  memory  (no more than pidfd itself has had|[\\d.]+ MiB at most)",
  ];
  assertMatch(stderr, new RegExp(`^${facts.join("\n")}\n$`));
});

Deno.test("pidfd run --report=json prints one object of the shape that all commands have", async () => {
  const script = "trap '' TERM; while :; do sleep 0.01; done";
  const args = ["run", "--report=json", "-t", "0.3", "-k", "0.1", "sh", "-c", script];
  const { code, stderr } = await pidfd(args);
  assertEquals(code, 124);
  const lines = stderr.trimEnd().split("\n");
  const { ref, pid, id, command, ended, status, run }: ProcessJson = JSON.parse(lines.at(-1)!);
  assertEquals(ref, id === null ? `${pid}` : `${pid}:${id}`);
  assertEquals([command, ended, status?.signal], [`sh -c ${script}`, true, "SIGKILL"]);
  assertEquals([run?.cause, run?.killed], ["timeout", true]);
  assertEquals(run!.wallTime >= 300, true);
  assertMatch(`${run!.wallTime}`, /^\d+(\.\d{1,3})?$/);
});

Deno.test("pidfd run -v says each thing that is done to the command", async () => {
  const script = "trap 'echo got USR1' USR1; echo ready; while :; do sleep 0.01; done";
  await using cli = start(["run", "-v", "sh", "-c", script]);
  await cli.line();
  cli.kill("SIGUSR1");
  assertEquals(await cli.line(), "got USR1");
  cli.kill("SIGTERM");
  const { code, stderr } = await cli.finished();
  assertEquals(code, 143);
  const lines = stderr.split("\n").filter((line) => line.startsWith("pidfd: "));
  assertMatch(lines[0], /^pidfd: started \d+(:\d+)? \(sh -c trap/);
  assertEquals(lines[1], "pidfd: passed SIGUSR1 on");
  assertEquals(lines.slice(2).some((line) => /^pidfd: \d+ \(.*sh -c .*\) ended$/.test(line)), true);
});

Deno.test("pidfd run needs no option to be as quiet as its command", async () => {
  assertEquals(await output(["run", "true"]), "");
});

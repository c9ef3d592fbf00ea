/**
 * `pidfd run`: which signals end the command, and that each reaches it once.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { commandLine, start } from "../support/cli.ts";
import { heeding } from "../support/ignored_signals.ts";
import { works } from "../support/privileges.ts";
import { eventually, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { CTRL_C, TERMINAL, Terminal } from "../support/terminal.ts";

/** A shell's command that takes its time to save, and then exits with 3. */
const SAVING = `save() { echo got; i=0; while [ $i -lt 60 ]; do sleep 0.01; i=$((i+1)); done
  echo saved; exit 3; }`;
const WAITING = "echo ready; while :; do sleep 0.01; done";

Deno.test("pidfd run takes a second SIGHUP for the same hang-up", async () => {
  const script = `${SAVING}; trap save HUP; ${WAITING}`;
  await using cli = start(["run", "--grace", "10m", "sh", "-c", script]);
  assertEquals(await cli.line(), "ready");
  cli.kill("SIGHUP");
  assertEquals(await cli.line(), "got");
  for (const _ of [1, 2, 3]) cli.kill("SIGHUP");
  const { code, stdout } = await cli.finished();
  assertEquals([code, stdout], [3, "saved\n"]);
});

Deno.test("pidfd run takes several signals at once for one event", async () => {
  // As systemd does with SendSIGHUP=.
  const script = `${SAVING}; trap save TERM HUP; ${WAITING}`;
  await using cli = start(["run", "--grace", "10m", "sh", "-c", script]);
  assertEquals(await cli.line(), "ready");
  for (const signal of ["SIGTERM", "SIGHUP", "SIGCONT"] as const) cli.kill(signal);
  const { code, stdout } = await cli.finished();
  assertEquals([code, stdout.endsWith("saved\n")], [3, true], stdout);
});

Deno.test("pidfd run says after a while what it waits for, and how to be quicker", async () => {
  const script = `trap '' TERM; ${WAITING}`;
  await using cli = start(["run", "--grace", "1500ms", "sh", "-c", script]);
  await cli.line();
  cli.kill("SIGTERM");
  const { code, stderr } = await cli.finished();
  assertEquals(code, 137);
  const words = "ending on SIGTERM…; another signal kills at once";
  assertEquals(stderr, `pidfd: ${words}\npidfd: killed after 1500ms more\n`);
});

/** Counts the signals that it gets, and says how many after a while. */
const counting = (signal: string) =>
  `n=0; trap 'n=$((n+1))' ${signal}; printf ready; while [ $n = 0 ]; do sleep 0.01; done
   i=0; while [ $i -lt 60 ]; do sleep 0.01; i=$((i+1)); done; echo "n=$n"; exit 3`;

for (
  const [name, key, signal] of [["Ctrl-C", CTRL_C, "INT"], ["Ctrl-\\", "\x1c", "QUIT"]] as const
) {
  const [heeded, isHeeded] = heeding(`SIG${signal}`);
  Deno.test({
    ...needing(
      `${TERMINAL[0]}, and ${heeded}`,
      TERMINAL[1] && isHeeded,
      `pidfd run leaves ${name} to the terminal, which signals the command`,
    ),
    async fn() {
      const args = ["run", "--grace", "10m", "sh", "-c", counting(signal)];
      await using terminal = new Terminal(commandLine(args));
      await terminal.shows(/ready/);
      await terminal.type(key);
      assertEquals(await terminal.ended(), 3);
      // The shell tells of its child that the key has ended as well.
      assertMatch(terminal.screen, /^ready\^.[^]*n=1$/m);
      assertEquals(terminal.left(), []);
    },
  });
}

Deno.test({
  ...needing(...TERMINAL, "pidfd run passes SIGINT on to what is in another process group"),
  async fn() {
    // setsid(1) doesn't fork where it leads no group.
    const script = `exec setsid -w sh -c '${counting("INT").replaceAll("'", `'\\''`)}'`;
    const args = ["run", "--grace", "10m", "sh", "-c", script];
    await using terminal = new Terminal(commandLine(args));
    await terminal.shows(/ready/);
    await terminal.type(CTRL_C);
    await terminal.ended();
    assertMatch(terminal.screen, /n=1/);
    assertEquals(terminal.left(), []);
  },
});

const BASH = works(["bash", "--norc", "-c", "true"]);
const ON_BASH = [`${TERMINAL[0]}, and bash`, TERMINAL[1] && BASH] as const;

/** An interactive bash on a terminal. */
function startBash(): Terminal {
  const env = { PS1: "> ", HISTFILE: "/dev/null" };
  return new Terminal(["bash", "--norc", "--noediting", "-i"], { env });
}

function typed(args: readonly string[]): string {
  return commandLine(args).map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ") + "\r";
}

Deno.test({
  ...needing(
    ...ON_BASH,
    "pidfd run leaves a command time to save when a shell's terminal is closed",
  ),
  async fn() {
    using folder = new Folder();
    const file = folder.at("file");
    const script = `save() { i=0; while [ $i -lt 80 ]; do sleep 0.01; i=$((i+1)); done
      echo saved > ${file}; exit; }; trap save HUP; printf rea; echo dy; while :; do sleep 0.01; done`;
    await using terminal = startBash();
    await terminal.shows(/>$/);
    Deno.writeTextFileSync(folder.at("script"), script);
    await terminal.type(typed(["run", "--grace", "10m", "sh", folder.at("script")]));
    await terminal.shows(/^ready/m);
    terminal.hangUp();
    await eventually("all have ended", () => terminal.left().length === 0);
    assertEquals(Deno.readTextFileSync(file), "saved\n");
  },
});

Deno.test({
  ...needing(...ON_BASH, "pidfd run stops at Ctrl-Z with its command, and goes on with fg"),
  async fn() {
    using folder = new Folder();
    Deno.writeTextFileSync(folder.at("script"), "printf rea; echo dy; read line; echo got $line");
    await using terminal = startBash();
    await terminal.shows(/>$/);
    await terminal.type(typed(["run", "sh", folder.at("script")]));
    await terminal.shows(/^ready/m);
    await terminal.type("\x1a");
    await terminal.shows(/Stopped/);
    const states = terminal.left().map((pid) => readStat(pid)?.state).filter((it) => it === "T");
    assertEquals(states.length, 2);
    await terminal.type("fg\r");
    await terminal.type("a line\r");
    await terminal.shows(/got a line/);
    await terminal.type("echo code $?; exit\r");
    await terminal.ended();
    assertMatch(terminal.screen, /^(> )?code 0$/m);
    assertEquals(terminal.left(), []);
  },
});

/**
 * The command `pidfd` on a terminal: what a person sees there, and what Ctrl-C does.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/processes.ts";
import { isPending } from "../support/promises.ts";
import { startHeld, startTalking } from "../support/children.ts";
import { commandLine, shownCommand } from "../support/cli.ts";
import { TOLD } from "../support/exit_info.ts";
import { CTRL_C, screenOf, TERMINAL, Terminal } from "../support/terminal.ts";
import { needing } from "../support/skip.ts";

const ESC = "\x1b";

/** Registers a test that needs a terminal. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ ...needing(...TERMINAL, name), fn });
}

/** What a shell does so that one can see whether a command changed the terminal's settings. */
const COMPARING = `
  trap : INT
  before=$(stty -g)
  "$@"
  echo "exit code $?"
  [ "$(stty -g)" = "$before" ] && echo "as before"
`;

Deno.test("screenOf() shows what is left of what was drawn", () => {
  const drawn = `one\r\n\r${ESC}[Ktwo, and more\r${ESC}[K${ESC}[1mth${ESC}[0mree\rT\r\nf\rour`;
  assertEquals(screenOf(drawn), "one\nThree\nour");
});

test("pidfd wait shows what it waits for and how long, and erases it at the end", async () => {
  await using held = startHeld(7);
  const { pid } = held.child;
  const command = await shownCommand(pid);
  await using terminal = new Terminal(commandLine(["wait", String(pid)]));
  for (const seconds of [0, 1]) {
    await terminal.shows(new RegExp(`, ${seconds} s$`));
    assertEquals(terminal.screen, `waiting for ${pid} (${command}), ${seconds} s`);
  }
  held.exit();
  await terminal.ended();
  assertMatch(terminal.screen, /\) (exited with 7|ended; .*)$/);
  assertEquals(terminal.screen.split("\n").length, 1);
});

test("pidfd wait shows no more than three of those that it waits for", async () => {
  await using many = new AsyncDisposableStack();
  const children = Array.from({ length: 5 }, () => many.use(startHeld()).child);
  const pids = children.map(({ pid }) => String(pid));
  await using terminal = new Terminal(commandLine(["wait", ...pids]), { columns: 500 });
  await terminal.shows(/, 0 s$/);
  const [a, b, c] = pids;
  const pattern = `^waiting for ${a} \\(.*\\), ${b} \\(.*\\), ${c} \\(.*\\), and 2 more, 0 s$`;
  assertMatch(terminal.screen, new RegExp(pattern));
});

test("pidfd wait shows each end above what it still waits for", async () => {
  await using ends = startHeld(7);
  await using stays = startHeld();
  const [first, second] = [ends, stays].map(({ child }) => child.pid);
  await using terminal = new Terminal(commandLine(["wait", `${first}`, `${second}`]));
  await terminal.shows(/ s$/);
  ends.exit();
  await terminal.shows(/^.*\nwaiting for .* s$/);
  const [above, line] = terminal.screen.split("\n");
  assertMatch(above, new RegExp(`^${first} \\(.*\\) e`));
  assertMatch(line, new RegExp(`^waiting for ${second} \\([^,]*\\), \\d s$`));
});

test("pidfd wait leaves nothing on the screen at Ctrl-C, and the terminal as it was", async () => {
  await using held = startHeld();
  const command = commandLine(["wait", String(held.child.pid)]);
  await using terminal = new Terminal(command, { script: COMPARING });
  await terminal.shows(/^waiting for/);
  await terminal.type(CTRL_C);
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.screen, "exit code 130\nas before");
});

test("pidfd run ends by SIGINT, too, where it sees a key's signal after the command's end", async () => {
  // A loop goes on after a command that has merely exited with 130.
  const late = `(trap '' INT; sleep 0.1; kill -INT 0) & kill -INT $$`;
  const script =
    `bash -c 'while :; do "$@"; echo "went on"; break; done' bash "$@"; echo "code $?"`;
  const command = commandLine(["run", "sh", "-c", late]);
  await using terminal = new Terminal(command, { script: `trap : INT; ${script}` });
  await terminal.ended();
  assertEquals(terminal.screen, "code 130");
});

for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  test(`pidfd wait leaves nothing on the screen when ${signal} ends it`, async () => {
    await using held = startHeld();
    await using terminal = new Terminal(commandLine(["wait", String(held.child.pid)]));
    await terminal.shows(/^waiting for/);
    Deno.kill(terminal.foreground, signal);
    assertEquals(await terminal.ended(), code);
    assertEquals(terminal.screen, "");
  });
}

test("pidfd wait leaves nothing but the error on the screen at a timeout", async () => {
  await using held = startHeld();
  const { pid } = held.child;
  await using terminal = new Terminal(commandLine(["wait", "--timeout", "100ms", String(pid)]));
  assertEquals(await terminal.ended(), 124);
  assertStringIncludes(terminal.output, "waiting for");
  assertEquals(terminal.screen, `pidfd: timed out after 100ms, still running: ${pid}`);
});

for (const columns of [30, 10, 1]) {
  test(`pidfd wait keeps to one line of a terminal with ${columns} columns`, async () => {
    await using held = startHeld();
    const { pid } = held.child;
    await using terminal = new Terminal(commandLine(["wait", String(pid)]), { columns });
    // The time stays visible, as long as there is room for it.
    await terminal.shows(columns > 6 ? /…, \d s$/ : /…$/);
    const { length } = terminal.screen;
    assertEquals(length <= columns, true, `${length} of ${columns}`);
  });
}

test("pidfd wait counts wide characters as what they are", async () => {
  await using talking = startTalking("sh", ["-c", "read _", "進行中".repeat(20)]);
  const command = commandLine(["wait", String(talking.child.pid)]);
  await using terminal = new Terminal(command, { columns: 60 });
  await terminal.shows(/…, \d s$/);
  const wide = terminal.screen.match(/[進行中]/g)!.length;
  assertEquals([58, 59].includes(terminal.screen.length + wide), true, terminal.screen);
});

test("pidfd wait shows all where the terminal doesn't say how wide it is", async () => {
  await using held = startHeld();
  const command = commandLine(["wait", String(held.child.pid)]);
  await using terminal = new Terminal(command, { columns: 0 });
  await terminal.shows(/^waiting for/);
  assertMatch(terminal.screen, /, \d s$/);
});

test("pidfd wait keeps to one line, whatever is in a command", async () => {
  await using talking = startTalking("sh", ["-c", "read _", `one\ntwo${ESC}[2J\rthree`]);
  await using terminal = new Terminal(commandLine(["wait", String(talking.child.pid)]));
  await terminal.shows(/waiting for/);
  await talking.endInput();
  await terminal.ended();
  assertEquals(terminal.output.includes(`${ESC}[2J`), false);
  assertMatch(terminal.screen, /^.*one.*two.*three.* e.*$/);
});

test("pidfd wait draws no line where standard error is no terminal", async () => {
  await using held = startHeld(7);
  const { pid } = held.child;
  const script = `"$@" 2>/dev/null`;
  await using terminal = new Terminal(commandLine(["wait", "--timeout=100ms", String(pid)]), {
    script,
  });
  assertEquals(await terminal.ended(), 124);
  assertEquals(terminal.screen, "");
});

test("pidfd kill --wait shows what it waits for, and Ctrl-C ends the waiting", async () => {
  await using deaf = startTalking("sh", ["-c", "trap '' TERM; echo; read _"]);
  await deaf.line();
  const { pid } = deaf.child;
  await using terminal = new Terminal(commandLine(["kill", "--wait", String(pid)]), {
    script: COMPARING,
  });
  await terminal.shows(new RegExp(`^waiting for ${pid} \\(.*\\), \\d s$`));
  await terminal.type(CTRL_C);
  await terminal.ended();
  assertEquals(terminal.screen, "exit code 130\nas before");
  assertEquals(await isPending(deaf.child.status), true);
});

/** A result that has colours, and an error. */
const COLOURFUL = [["features"], ["info", String(Deno.pid)], ["nonsense"]];

for (const args of COLOURFUL) {
  test(`pidfd ${args[0]} prints in colours, if nobody minds`, async () => {
    for (const [env, isColourful] of [[{}, true], [{ NO_COLOR: "1" }, false]] as const) {
      await using terminal = new Terminal(commandLine(args), { env });
      await terminal.ended();
      const colours = terminal.output.split(ESC).filter((text) => /^\[[\d;]+m/.test(text));
      assertEquals(colours.length > 0, isColourful, JSON.stringify(terminal.output));
    }
  });
}

test("pidfd prints no colours into a file, even if errors are on the terminal", async () => {
  const script = `"$@" | od -c`;
  await using terminal = new Terminal(commandLine(["features"]), { script });
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.screen.includes("033"), false);
  assertMatch(terminal.screen, /p {3}i {3}d {3}f/);
});

Deno.test({
  ...needing(
    `${TOLD[0]}, and ${TERMINAL[0]}`,
    TOLD[1] && TERMINAL[1],
    "pidfd wait shows by a colour whether a process succeeded",
  ),
  async fn() {
    for (const [code, colour] of [[0, "32"], [7, "33"]] as const) {
      await using held = startHeld(code);
      await using terminal = new Terminal(commandLine(["wait", String(held.child.pid)]));
      await terminal.shows(/^waiting/);
      held.exit();
      assertEquals(await terminal.ended(), code);
      assertStringIncludes(terminal.output, `${ESC}[${colour}mexited with ${code}`);
    }
  },
});

test("pidfd run ends with the command at Ctrl-C, and leaves the terminal as it was", async () => {
  // Without an end of line, here and below, which could come after what is typed.
  const command = commandLine(["run", "sh", "-c", "printf ready; exec sleep 60"]);
  await using terminal = new Terminal(command, { script: COMPARING });
  await terminal.shows(/ready/);
  await terminal.type(CTRL_C);
  await terminal.ended();
  assertEquals(terminal.screen, "ready^Cexit code 130\nas before");
  assertEquals(terminal.left(), []);
});

test("pidfd run ends what a shell has put into the background at Ctrl-C", async () => {
  // Shells have such commands ignore SIGINT.
  const script = "sleep 60 & (sleep 60 &) ; setsid sleep 60 & echo ready; wait";
  const command = commandLine(["run", "--grace", "50ms", "sh", "-c", script]);
  await using terminal = new Terminal(command);
  await terminal.shows(/ready/);
  await terminal.type(CTRL_C);
  assertEquals(await terminal.ended(), 130);
  assertEquals(terminal.left(), []);
});

test("pidfd run lets a command deal with Ctrl-C", async () => {
  const script = "trap 'echo bye; exit 3' INT; printf ready; while :; do sleep 0.01; done";
  const command = commandLine(["run", "--grace", "10m", "sh", "-c", script]);
  await using terminal = new Terminal(command);
  await terminal.shows(/ready/);
  await terminal.type(CTRL_C);
  assertEquals(await terminal.ended(), 3);
  assertMatch(terminal.screen, /^ready\^C(bye\n?)+$/);
});

test("pidfd run kills what doesn't mind Ctrl-C at a second one", async () => {
  const script = "trap 'echo no' INT; echo ready; while :; do sleep 0.01; done";
  const command = commandLine(["run", "--grace", "10m", "sh", "-c", script]);
  await using terminal = new Terminal(command);
  await terminal.shows(/ready/);
  await terminal.type(CTRL_C);
  await terminal.shows(/no/);
  // Two signals are one for a program that has not seen the first yet: so a person types on.
  // What is typed when it has just ended reaches nobody.
  const typing = setInterval(() => terminal.type(CTRL_C).catch(() => {}), 100);
  try {
    assertEquals(await terminal.ended(), 137, terminal.output);
  } finally {
    clearInterval(typing);
  }
  assertEquals(terminal.left(), []);
});

test("pidfd run lets a command talk with the person at the terminal", async () => {
  const script =
    '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && printf "Name?"; read name; echo "Hello $name"';
  await using terminal = new Terminal(commandLine(["run", "sh", "-c", script]));
  await terminal.shows(/Name\?/);
  await terminal.type("Ada\r");
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.screen, "Name?Ada\nHello Ada");
});

test("pidfd run ends with the terminal", async () => {
  const command = commandLine([
    "run",
    "--grace",
    "50ms",
    "sh",
    "-c",
    "sleep 60 & echo ready; wait",
  ]);
  await using terminal = new Terminal(command);
  await terminal.shows(/ready/);
  terminal.hangUp();
  await eventually("all have ended", () => terminal.left().length === 0);
});

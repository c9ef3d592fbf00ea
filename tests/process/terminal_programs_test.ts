/**
 * Programs that are made for people, each on a terminal of its own: what a person would type, and
 * see.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Dialog, KEYS } from "../support/dialog.ts";
import { eventually, idle, readStat } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";

const { enter, ctrlC, ctrlD, ctrlZ } = KEYS;

/** The first arguments of `Deno.test` for a test of a program on a terminal. */
function on(command: string, args: readonly string[], name: string) {
  return needing(`${PTMX} and ${command}`, hasTerminals && canRun(command, args), name);
}

Deno.test(on("stty", ["--version"], "stty tells the size of its terminal"), async () => {
  for (
    const [terminal, size] of [
      [true, "24 80"],
      [{}, "24 80"],
      [{ columns: 132 }, "24 132"],
      [{ columns: 65535, rows: 1 }, "1 65535"],
    ] as const
  ) {
    await using dialog = new Dialog("stty", ["size"], { terminal });
    assertEquals([(await dialog.ended()).code, dialog.text], [0, `${size}\r\n`]);
  }
  await idle();
});

Deno.test(on("python3", ["-c", "0"], "python3 is interactive, and is interrupted"), async () => {
  // Without a home it writes no history.
  const env = { HOME: "/nowhere", PYTHON_BASIC_REPL: "1" };
  await using dialog = new Dialog("python3", ["-q"], { env });
  await dialog.shows(/>>> $/);
  await dialog.type(`6 * 7${enter}`);
  await dialog.shows(/\n42\r\n/);
  await dialog.shows(/>>> $/);
  await dialog.type(`import time; print("beg" + "un"); time.sleep(600)${enter}`);
  await dialog.shows(/[\r\n]begun\r\n/);
  await dialog.type(ctrlC);
  await dialog.shows(/KeyboardInterrupt\r\n/);
  await dialog.shows(/>>> $/);
  await dialog.type(`import os; os.get_terminal_size()${enter}`);
  await dialog.shows(/columns=80, lines=24/);
  await dialog.shows(/>>> $/);
  await dialog.type(ctrlD);
  assertEquals((await dialog.ended()).code, 0);
  await idle();
});

Deno.test(on("bash", ["-c", "true"], "bash controls its jobs"), async () => {
  const env = { PS1: "ready> ", HISTFILE: "" };
  await using dialog = new Dialog("bash", ["--norc", "--noprofile", "-i"], { env });
  await dialog.shows(/ready> $/);
  await dialog.type(`sh -c 'echo beg""un; exec sleep 600'${enter}`);
  await dialog.shows(/[\r\n]begun\r\n/);
  await dialog.type(ctrlZ);
  await dialog.shows(/Stopped/);
  await dialog.shows(/ready> $/);
  await dialog.type(`jobs${enter}`);
  await dialog.shows(/\[1\]\+ +Stopped +sh -c/);
  await dialog.shows(/ready> $/);
  await dialog.type(`fg${enter}`);
  await dialog.shows(/[\r\n]sh -c .*\r\n/);
  // bash says what it continues before it gives it the terminal.
  await eventually("the job has the terminal", () => {
    // Behind the state and the parent: process group, session, terminal, and its foreground group.
    const stat = Deno.readTextFileSync(`/proc/${dialog.child.pid}/stat`);
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return foreground !== group;
  });
  await dialog.type(ctrlC);
  await dialog.shows(/ready> $/);
  await dialog.type(`echo "code $?"; jobs; sleep 600 & jobs${enter}`);
  await dialog.shows(/[\r\n]code 130\r\n/);
  await dialog.shows(/\[1\]\+ +Running +sleep 600/);
  await dialog.shows(/ready> $/);
  await dialog.type(`kill %1; wait; exit 7${enter}`);
  assertEquals((await dialog.ended()).code, 7);
  await idle();
});

Deno.test(on("bash", ["-c", "true"], "bash, which ignores SIGTERM, ends at disposal"), async () => {
  const env = { PS1: "ready> ", HISTFILE: "" };
  const options = { env, end: { grace: 100 } };
  const dialog = new Dialog("bash", ["--norc", "--noprofile", "-i"], options);
  await dialog.shows(/ready> $/);
  // One job is stopped, one runs, and one ignores the hanging up.
  await dialog.type(`sh -c 'echo beg""un; exec sleep 600'${enter}`);
  await dialog.shows(/[\r\n]begun\r\n/);
  await dialog.type(ctrlZ);
  await dialog.shows(/ready> $/);
  await dialog.type(`sleep 600 & sh -c 'trap "" HUP; echo deaf""; exec sleep 600' & ${enter}`);
  await dialog.shows(/deaf\r\n/);
  await dialog.type(`jobs -p${enter}`);
  const [, ...jobs] = await dialog.shows(/[\r\n](\d+)\r\n(\d+)\r\n(\d+)\r\n/);
  await dialog[Symbol.asyncDispose]();
  assertEquals((await dialog.child.status).signal, "SIGHUP");
  assertEquals(jobs.map((pid) => readStat(Number(pid))?.state ?? "Z"), ["Z", "Z", "Z"]);
  assertEquals(dialog.terminal.closed, true);
  await idle();
});

Deno.test(on("less", ["--version"], "less shows pages, and fills a larger screen"), async () => {
  // Its text comes by a pipe, and its keys from /dev/tty.
  await using dialog = new Dialog("less", [], {
    input: Array.from({ length: 1000 }, (_, i) => `${i + 1}\n`).join(""),
    env: { LESS: "", LESSHISTFILE: "-" },
    terminal: { columns: 40, rows: 10 },
  });
  // A system can be without a description of the terminal.
  const [shown] = await dialog.shows(/RETURN|\b9\r\n:/);
  if (shown === "RETURN") {
    await dialog.type(enter);
    await dialog.shows(/\b9\r\n:/);
  }
  await dialog.type(" ");
  await dialog.shows(/\b18\r\n:/);
  // It asks for a key before it waits for one. Of a SIGWINCH in between it takes no notice until
  // the next key.
  await eventually("less waits", () => readStat(dialog.child.pid)?.state === "S");
  dialog.terminal.resize(40, 20);
  await dialog.shows(/\b28\r\n:/);
  await dialog.type("G");
  await dialog.shows(/\b1000\r\n/);
  await dialog.type("q");
  assertEquals((await dialog.ended()).code, 0);
  await idle();
});

/** Asks for a password as ssh and sudo do: by a terminal that it opens for that alone. */
const ASK = `
  ask() {
    exec 3<>/dev/tty || exit 9
    stty -echo <&3
    printf "$1" >&3
    read -r answer <&3
    stty echo <&3
    echo >&3
    exec 3>&-
  }
  ask "password: "; first=$answer
  ask "again: "
  read -r line || line=none
  echo "$first $answer $line"
`;

Deno.test(
  on("stty", ["--version"], "a password is asked for by /dev/tty, apart from the streams"),
  async () => {
    await using dialog = new Dialog("sh", ["-c", ASK], {
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    await dialog.shows(/password: $/);
    await dialog.type(`secret${enter}`);
    await dialog.shows(/again: $/);
    await dialog.type(`pässwörd${enter}`);
    const { stdout, stderr } = await dialog.child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([text(stdout), text(stderr)], ["secret pässwörd none\n", ""]);
    assertEquals((await dialog.ended()).code, 0);
    // Nothing is shown of what was typed.
    assertEquals(dialog.text, "password: \r\nagain: \r\n");
    await idle();
  },
);

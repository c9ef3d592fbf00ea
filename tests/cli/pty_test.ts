/**
 * `pidfd run --pty`: the command has a terminal of its own, with this one in front of it.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { commandLine, pidfd, plainEnv, start } from "../support/cli.ts";
import { eventually } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { CTRL_C, hasTerminals, TERMINAL, Terminal } from "../support/terminal.ts";
import { Mark } from "../support/trees.ts";

const PTMX = ["/dev/ptmx", hasTerminals] as const;

/** What a shell does so that one can see whether a command changed the terminal's settings. */
const COMPARING = `
  before=$(stty -g)
  "$@"
  echo "exit code $?"
  [ "$(stty -g)" = "$before" ] && echo "as before"
`;

Deno.test(
  needing(...PTMX, "pidfd run --pty gives a command a terminal where there is none"),
  async () => {
    const script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && [ -c /dev/tty ] && stty size; exit 3";
    const { code, stdout, stderr } = await pidfd(["run", "--pty", "sh", "-c", script]);
    assertEquals([code, stdout, stderr], [3, "24 80\r\n", ""]);
  },
);

Deno.test(
  needing(...PTMX, "pidfd run --pty ends the command's input where its own ends"),
  async () => {
    for (const input of ["one\ntwo\n", "no end of line", ""]) {
      await using cli = start([
        "run",
        "--pty",
        "sh",
        "-c",
        "stty -echo; printf ready:; cat; exit 3",
      ]);
      if (input !== "") await cli.say(input.replace(/\n$/, ""));
      const { code, stdout } = await cli.finished();
      assertEquals([code, stdout.includes("ready:")], [3, true]);
      for (const line of input.split("\n")) assertEquals(stdout.includes(line), true, stdout);
    }
  },
);

Deno.test(needing(...PTMX, "pidfd run --pty ends the command when the time is up"), async () => {
  const args = ["run", "--pty", "-t", "0.3", "-k", "10m", "sh", "-c", "sleep 60; :"];
  await using cli = start(args);
  assertEquals((await cli.finished()).code, 124);
  assertEquals(cli.left(), []);
});

Deno.test({
  ...needing(
    ...TERMINAL,
    "pidfd run --pty leaves all keys to the command, and the terminal as it was",
  ),
  async fn() {
    const script = `n=0; trap 'n=$((n+1))' INT; stty size; printf ready
      while [ $n = 0 ]; do sleep 0.01; done; sleep 0.3; echo "n=$n"; exit 3`;
    const command = commandLine(["run", "--pty", "sh", "-c", script]);
    await using terminal = new Terminal(command, { script: COMPARING, columns: 91 });
    await terminal.shows(/ready/);
    await terminal.type(CTRL_C);
    await terminal.ended();
    assertEquals(terminal.screen, "24 91\nready^Cn=1\nexit code 3\nas before");
    assertEquals(terminal.left(), []);
  },
});

Deno.test({
  ...needing(...TERMINAL, "pidfd run --pty follows the size of the terminal that it is on"),
  async fn() {
    using folder = new Folder();
    const inner = `trap 'stty size' WINCH; printf ready; while :; do sleep 0.01; done`;
    const command = commandLine(["run", "--pty", "-k", "0.1", "sh", "-c", inner]);
    const script = `tty > ${folder.at("tty")}; "$@"`;
    await using terminal = new Terminal(command, { script });
    await terminal.shows(/ready/);
    const path = Deno.readTextFileSync(folder.at("tty")).trim();
    const resized = new Deno.Command("stty", { args: ["-F", path, "cols", "77", "rows", "33"] });
    assertEquals((await resized.output()).code, 0);
    await terminal.shows(/33 77/);
  },
});

Deno.test({
  ...needing(...TERMINAL, "pidfd run --pty ends with its terminal"),
  async fn() {
    const script = "sleep 60 & echo ready; wait";
    await using terminal = new Terminal(commandLine(["run", "--pty", "sh", "-c", script]));
    await terminal.shows(/ready/);
    terminal.hangUp();
    await eventually("all have ended", () => terminal.left().length === 0);
  },
});

Deno.test({
  ...needing(...TERMINAL, "pidfd run --pty shows output as it is, and its own words as lines"),
  async fn() {
    // As editors do: then "\n" only goes down.
    const script = `stty -opost; printf 'one\\ntwo'; sleep 60`;
    const command = commandLine(["run", "--pty", "-v", "-t", "0.5", "sh", "-c", script]);
    await using terminal = new Terminal(command, { script: COMPARING });
    await terminal.ended();
    assertEquals(terminal.output.includes("one\ntwo"), true, terminal.output);
    assertMatch(terminal.output, /ending after 0\.5s…\r\n/);
    assertMatch(terminal.screen, /exit code 124\nas before$/);
  },
});

for (const [pipe, setting] of [["", "-opost"], ["| cat", "opost"]] as const) {
  Deno.test({
    ...needing(...TERMINAL, `pidfd run --pty ${pipe} has its own terminal with ${setting}`),
    async fn() {
      // A program that the output is piped to writes to the terminal by itself.
      const inner =
        `stty -echo; echo ready; read -r _; stty -F "$1" -a | tr ' ;' '\\n\\n' | grep opost`;
      const command = commandLine(["run", "--pty", "sh", "-c", inner, "sh"]);
      await using terminal = new Terminal(command, { script: `"$@" "$(tty)" ${pipe}` });
      await terminal.shows(/ready/);
      await terminal.type("\r");
      await terminal.ended();
      assertEquals(terminal.screen, `ready\n${setting}`);
    },
  });
}

const TMUX = ["tmux", canRun("tmux", ["-V"])] as const;

/** A server of tmux with one window, in which a command runs. */
class Tmux implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly #mark = new Mark();

  async start(command: readonly string[]): Promise<void> {
    const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    const size = ["-x", "100", "-y", "30"];
    await this.run(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      ...size,
      `${line}; echo code $?; read _`,
    );
  }

  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", this.#folder.at("socket"), ...args],
      env: { ...plainEnv(), ...this.#mark.env, SHELL: "/bin/sh", LC_ALL: "C.UTF-8" },
      clearEnv: true,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }

  async shows(pattern: RegExp): Promise<void> {
    let screen = "";
    const look = async () => screen = await this.run("capture-pane", "-p");
    await look();
    await eventually(`${pattern} is shown`, () => {
      look();
      return pattern.test(screen);
    });
    await look();
  }

  left(): number[] {
    return this.#mark.pids();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mark[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

Deno.test(
  needing(...TMUX, "pidfd run in a window of tmux: keys, sizes, and its closing"),
  async () => {
    await using tmux = new Tmux();
    const script = `n=0; trap 'n=$((n+1)); echo "n=$n"' INT; trap 'stty size' WINCH
    echo ready; while [ $n -lt 1 ]; do sleep 0.01; done; sleep 0.3; sleep 60 & wait; exit 3`;
    await tmux.start(commandLine(["run", "-k", "10m", "sh", "-c", script]));
    await tmux.shows(/ready/);
    await tmux.run("resize-window", "-x", "90", "-y", "20");
    await tmux.shows(/20 90/);
    await tmux.run("send-keys", "C-c");
    await tmux.shows(/n=1/);
    assertMatch(await tmux.run("capture-pane", "-p"), /n=1\n(?!.*n=2)/s);
    await tmux.run("kill-server");
    await eventually("all have ended", () => tmux.left().length === 0);
  },
);

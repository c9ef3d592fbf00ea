/**
 * Completion, by the shells themselves.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { assertFails, output } from "../support/cli.ts";
import { eventually, PATIENCE } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { TERMINAL, Terminal } from "../support/terminal.ts";

const COMMANDS = "completion features find help info kill man ref run tree wait".split(" ");

/** Command lines, with what is offered for the last word. */
const CASES: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ["pidfd r", ["ref", "run"]],
  ["pidfd help f", ["features", "find"]],
  ["pidfd wait --", ["--any", "--help", "--json", "--timeout"]],
  ["pidfd kill --si", ["--signal"]],
  ["pidfd kill -s VT", ["VTALRM"]],
  ["pidfd completion f", ["fish"]],
  ["pidfd run --limit nof", ["nofile="]],
];

const BASH = ["bash", canRun("bash", ["-c", "true"])] as const;
const FISH = ["fish", canRun("fish", ["-c", "true"])] as const;
const ZSH = canRun("zsh", ["-fc", "autoload -U compinit && compinit -D -u"]);

async function shell(path: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(path, { args, stdin: "null", stderr: "inherit" });
  const { code, stdout } = await deadline(child.output(), PATIENCE);
  assertEquals(code, 0);
  return new TextDecoder().decode(stdout);
}

/** What bash offers: its function sets COMPREPLY. */
async function offeredByBash(file: string, line: string): Promise<string[]> {
  const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pidfd 2>/dev/null
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const words = line.split(" ");
  const stdout = await shell("bash", "--norc", "-c", script, "bash", file, ...words);
  return stdout.split("\n").filter(Boolean).sort();
}

async function offeredByFish(file: string, line: string): Promise<string[]> {
  const stdout = await shell("fish", "--no-config", "-c", `source ${file}; complete -C '${line}'`);
  return stdout.split("\n").filter(Boolean).map((line) => line.split("\t")[0]).sort();
}

async function scriptFor(name: string, folder: Folder): Promise<string> {
  const file = folder.at(`pidfd.${name}`);
  Deno.writeTextFileSync(file, await output(["completion", name]));
  return file;
}

Deno.test(needing(...BASH, "pidfd completion bash has bash complete command lines"), async () => {
  using folder = new Folder();
  const file = await scriptFor("bash", folder);
  for (const [line, offered] of CASES) {
    assertEquals(await offeredByBash(file, line), [...offered], line);
  }
  const commands = (await offeredByBash(file, "pidfd ")).filter((word) => !word.startsWith("-"));
  assertEquals(commands, COMMANDS);
  // bash has "=" as a word of its own.
  assertEquals(await offeredByBash(file, "pidfd kill --signal = VT"), ["VTALRM"]);
  assertEquals((await offeredByBash(file, "pidfd wait ")).includes(String(Deno.pid)), true);
  assertEquals((await offeredByBash(file, "pidfd run --user roo")).includes("root"), true);
  // What is behind the command is no option of pidfd.
  assertEquals(await offeredByBash(file, "pidfd run -t 5 ls --kee"), []);
  assertEquals(await offeredByBash(file, "pidfd run -t 5 --kee"), ["--keep"]);
});

Deno.test(needing(...FISH, "pidfd completion fish has fish complete command lines"), async () => {
  using folder = new Folder();
  const file = await scriptFor("fish", folder);
  for (const [line, offered] of CASES) {
    assertEquals(await offeredByFish(file, line), [...offered], line);
  }
  assertEquals(await offeredByFish(file, "pidfd "), COMMANDS);
  assertEquals((await offeredByFish(file, "pidfd wait ")).includes(String(Deno.pid)), true);
  assertEquals((await offeredByFish(file, "pidfd run --user roo")).includes("root"), true);
});

Deno.test({
  ...needing(
    `zsh with its functions, and ${TERMINAL[0]}`,
    ZSH && TERMINAL[1],
    "pidfd completion zsh has zsh complete command lines",
  ),
  async fn() {
    using folder = new Folder();
    const file = await scriptFor("zsh", folder);
    const env = { TERM: "dumb", PS1: "> ", ZDOTDIR: folder.path };
    await using terminal = new Terminal(["zsh", "-f", "-i"], { env });
    await terminal.type(`autoload -U compinit; compinit -D -u; source ${file}; echo rea""dy\r`);
    await eventually("zsh is ready", () => terminal.output.includes("\nready"));
    // What is offered alone is typed by zsh itself, and run by Enter.
    const typed = {
      "pidfd fe": "pidfd features",
      "pidfd wait --tim": "pidfd wait --timeout",
      "pidfd kill -s VT": "pidfd kill -s VTALRM",
      "pidfd kill --signal=VT": "pidfd kill --signal=VTALRM",
      "pidfd completion f": "pidfd completion fish",
      "pidfd run --limit nof": "pidfd run --limit nofile=",
      "pidfd run --kee": "pidfd run --keep",
    };
    await terminal.type('pidfd() { echo "got: pidfd $*."; }\r');
    for (const [line, completed] of Object.entries(typed)) {
      await terminal.type(`${line}\t`);
      await terminal.type("\r");
      await eventually(`${line} is completed`, () => {
        return terminal.output.includes(`got: ${completed}`);
      });
    }
    await terminal.type("exit\r");
    await terminal.ended();
  },
});

Deno.test({
  ...needing(
    "bash with readline, script, and stty",
    BASH[1] && TERMINAL[1],
    "pidfd completion bash completes paths as bash does",
  ),
  async fn() {
    using folder = new Folder();
    const file = await scriptFor("bash", folder);
    for (const name of ["with space", "tools"]) Deno.mkdirSync(folder.at(name));
    const env = { TERM: "dumb", PS1: "> " };
    await using terminal = new Terminal(["bash", "--norc", "--noprofile", "-i"], { env });
    await terminal.type(
      `cd ${folder.path}; source ${file}; pidfd() { echo "got: $*."; }; echo rea""dy\r`,
    );
    await eventually("bash is ready", () => terminal.output.includes("\nready"));
    const typed = {
      "run ls wi": "run ls with space/x.",
      "run --cgroup wi": "run --cgroup with space/x.",
      "run ./to": "run ./tools/x.",
    };
    for (const [line, completed] of Object.entries(typed)) {
      await terminal.type(`pidfd ${line}\t`);
      await terminal.type("x\r");
      await eventually(`${line} is completed`, () => terminal.output.includes(`got: ${completed}`));
    }
    await terminal.type("exit\r");
    await terminal.ended();
  },
});

Deno.test("pidfd completion says which shells there are", async () => {
  await assertFails(["completion"], 125, /a shell is needed: bash, zsh or fish/);
  await assertFails(["completion", "csh"], 125, /there is completion for bash, zsh and fish: csh/);
});

const MAN = ["man, and groff", canRun("sh", ["-c", "man --version && groff --version"])] as const;

Deno.test(
  needing(...MAN, "pidfd man prints a page that man shows without a complaint"),
  async () => {
    using folder = new Folder();
    const file = folder.at("pidfd.1");
    Deno.writeTextFileSync(file, await output(["man"]));
    const groff = new Deno.Command("groff", { args: ["-man", "-Tutf8", "-ww", file] });
    const { code, stderr } = await groff.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    const shown = await shell("sh", "-c", `MANWIDTH=80 man -l ${file} | col -b`);
    for (const command of COMMANDS.filter((name) => name !== "help")) {
      assertMatch(shown, new RegExp(`^${command.toUpperCase()}\n {7}pidfd ${command}`, "m"));
    }
    assertMatch(shown, /-t, --timeout D\n/);
  },
);

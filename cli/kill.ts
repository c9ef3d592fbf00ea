/**
 * `pidfd kill`: signals that can't hit anybody else.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { type Command, type Option, REFERENCES, UsageError } from "./command.ts";
import { readDuration } from "./durations.ts";
import { exitCodeFor, Failure, processFailure, REFUSED } from "./failures.ts";
import { printJson, printLine, printText, say, YELLOW } from "./output.ts";
import { parse } from "./parse.ts";
import { nameOf, sayRefused, sayStuck } from "./members.ts";
import { type Named, openAll } from "./references.ts";
import { readSignal, SIGNAL_NAMES, translated } from "./signal_names.ts";
import { refOf } from "./subject.ts";
import { waitForEnds } from "./waiting.ts";

const SIGNAL: Option = {
  name: "signal",
  short: "s",
  value: "SIGNAL",
  kind: "signal",
  help:
    "Which one, by name or number: TERM (default), SIGKILL, 9; 0 only asks whether one could be " +
    "sent. Also as -9 or -KILL",
};

export const kill: Command = {
  name: "kill",
  usage: "[OPTION…] REF…",
  kind: "ref",
  description: [
    "Sends a signal to processes. All of them are found before any is signalled, so that a wrong REF " +
    "does no harm.",
    REFERENCES,
    "--tree stops all processes of a tree for a moment, so that none can start others unseen. A shell " +
    "sees its foreground job stop then: it says so, takes the terminal back, and reports the job's end " +
    "before its next prompt.",
  ],
  options: [
    SIGNAL,
    {
      name: "list",
      short: "l",
      help: "List the signals, or translate: -l 9 tells KILL, as -l 137 does; -l KILL tells 9",
    },
    {
      name: "tree",
      help:
        "End each process with all its descendants: SIGKILL follows if they are not gone after " +
        "the grace",
    },
    {
      name: "grace",
      short: "k",
      value: "D",
      help: "With --tree: how long they have (default: 5s)",
    },
    { name: "wait", help: "Wait until the processes have ended" },
    { name: "json", help: "Print an object for each end, with --tree or --wait" },
  ],
  exitCode:
    "0 if all were signalled; 125 if pidfd failed; 126 without permission; 127 if there is no " +
    "such process.",
  examples: [
    "pidfd kill 4711",
    "pidfd kill -INT --wait 4711:81234",
    "pidfd kill --tree 4711",
    "pidfd find -x sleep | pidfd kill -",
  ],
  run: killCommand,
};

async function killCommand(args: string[]): Promise<number> {
  const given = parse(withSignalOption(args), kill);
  if (given.has("list")) {
    list(given.positionals);
    return 0;
  }
  const signal = readSignal(given.text("signal") ?? "TERM");
  const tree = given.has("tree");
  const json = given.has("json");
  if (tree && signal === 0) throw new UsageError("--tree needs a signal that ends processes");
  const grace = readDuration("--grace", given.text("grace") ?? "5s");
  if (given.has("grace") && !tree) throw new UsageError("--grace needs --tree");
  using processes = await openAll(given.positionals);
  if (tree) return await killTrees(processes, { signal, grace }, json);
  const codes = processes.map((process) => send(process, signal));
  if (given.has("wait")) await waitForEnds(processes.filter((_, i) => codes[i] === 0), { json });
  return codes.find((code) => code !== 0) ?? 0;
}

/** Lists the signals; or tells the name of each number, and the number of each name, that is given. */
function list(texts: readonly string[]): void {
  for (const text of texts) printText(translated(text));
  if (texts.length > 0) return;
  SIGNAL_NAMES.forEach((name, i) => printText(`${String(i + 1).padStart(2)} ${name}`));
  printText("34 RTMIN, to 64 RTMAX");
}

/** Has `-9` and `-KILL` mean what they mean for kill(1). */
function withSignalOption(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, i) => {
    if (end >= 0 && i > end) return arg;
    const isValue = ["-s", "--signal"].includes(args[i - 1]);
    return !isValue && /^-(\d+|[A-Z][A-Z\d]+([+-]\d+)?)$/.test(arg)
      ? `--${SIGNAL.name}=${arg.slice(1)}`
      : arg;
  });
}

/** Sends a signal. Returns the exit code: that one wasn't to be signalled is no reason to stop. */
function send({ name, pidfd }: Named, signal: Deno.Signal | number): number {
  try {
    pidfd.sendSignal(signal);
    return 0;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const failure = error.code === "EPERM"
      ? new Failure(`${name}: no permission to signal it`, REFUSED)
      : processFailure(name, error);
    say(failure.message);
    return exitCodeFor(failure);
  }
}

async function killTrees(
  roots: readonly Named[],
  how: { signal: Deno.Signal | number; grace: number },
  json: boolean,
): Promise<number> {
  const { killTree } = await import("../process/tree.ts");
  const results = await Promise.allSettled(roots.map(({ pidfd }) => killTree(pidfd, how)));
  const trees = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  for (const { pid, id, command } of trees.flatMap(({ ended }) => ended)) {
    const ref = refOf(pid, id);
    if (json) printJson({ ref, pid, id, command: command || null, ended: true });
    else printLine([`${nameOf(ref, command)} `, ""], ["ended", YELLOW]);
  }
  const refused = trees.flatMap(({ refused }) => refused);
  sayRefused(refused);
  sayStuck(trees.flatMap(({ stuck }) => stuck));
  // Not before: a tree that has been stopped for its end would stay so.
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return refused.length > 0 ? REFUSED : 0;
}

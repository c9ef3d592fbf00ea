/**
 * `pidfd kill`: signals that can't hit anybody else.
 *
 * @module
 */

import { type KilledProcess, killTree, SyscallError } from "../mod.ts";
import { type Command, readOptions, readSignal, UsageError } from "./command.ts";
import { complain, exitCodeFor, REFUSED } from "./failures.ts";
import { printJson, printLine } from "./output.ts";
import { type Named, openAll } from "./references.ts";
import { waitForEnds } from "./waiting.ts";

const OPTIONS = {
  signal: { type: "string", short: "s", default: "TERM" },
  tree: { type: "boolean" },
  wait: { type: "boolean" },
  json: { type: "boolean" },
} as const;

export const kill: Command = {
  name: "kill",
  summary: "Send a signal to processes, or end whole trees of them",
  help: `Usage: pidfd kill [OPTION…] REF…

Sends a signal to processes. All of them are found before any is signalled, so that a wrong REF
does no harm.

REF is a PID, or PID:ID as \`pidfd ref\` prints it, which no other process matches until the next
boot.

Options:
  -s, --signal SIGNAL  Which one, by name or number: TERM (default), SIGKILL, 9;
                       0 only asks whether one could be sent
      --tree           End each process with all its descendants: SIGKILL follows
                       if they are not gone after 5 s
      --wait           Wait until the processes have ended
      --json           Print an object for each end, with --tree or --wait
  -h, --help           Show this

Exit code: 0 if all were signalled; 125 if pidfd failed; 126 without permission; 127 if there is
no such process.

Examples:
  pidfd kill 4711
  pidfd kill -s INT --wait 4711:81234
  pidfd kill --tree 4711`,
  run: killCommand,
};

async function killCommand(args: string[]): Promise<number> {
  const { values: { signal: name, tree, wait, json = false }, positionals } = readOptions(
    args,
    OPTIONS,
  );
  const signal = readSignal(name);
  if (tree && signal === 0) throw new UsageError("--tree needs a signal that ends processes");
  using processes = openAll(positionals);
  if (tree) return await killTrees(processes, signal, json);
  const codes = processes.map((process) => send(process, signal));
  if (wait) await waitForEnds(processes.filter((_, i) => codes[i] === 0), { json });
  return codes.find((code) => code !== 0) ?? 0;
}

/** Sends a signal. Returns the exit code: that one wasn't to be signalled is no reason to stop. */
function send({ name, pidfd }: Named, signal: Deno.Signal | number): number {
  try {
    pidfd.sendSignal(signal);
    return 0;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    complain(`${name}: ${error.message}`);
    return exitCodeFor(error);
  }
}

async function killTrees(
  roots: readonly Named[],
  signal: Deno.Signal | number,
  json: boolean,
): Promise<number> {
  const results = await Promise.allSettled(roots.map(({ pidfd }) => killTree(pidfd, { signal })));
  const trees = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  for (const process of trees.flatMap(({ ended }) => ended)) printEnded(process, json);
  const refused = trees.flatMap(({ refused }) => refused);
  for (const { pid, command } of refused) complain(`no permission to end ${pid}, ${command}`);
  // Not before: a tree that has been stopped for its end would stay so.
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return refused.length > 0 ? REFUSED : 0;
}

function printEnded({ pid, id, command }: KilledProcess, json: boolean): void {
  if (json) return printJson({ pid, id, command, ended: true });
  const name = id === null ? `${pid}` : `${pid}:${id}`;
  printLine([`${name} (${command}) `, ""], ["ended", "color: yellow"]);
}

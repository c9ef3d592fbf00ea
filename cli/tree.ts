/**
 * `pidfd tree`: who is below whom.
 *
 * @module
 */

import { findAll, type Process } from "./all_processes.ts";
import { type Command, REFERENCES } from "./command.ts";
import { BOLD, printable, printJson, printText, stdout } from "./output.ts";
import { parse } from "./parse.ts";
import { openAll } from "./references.ts";
import { fitted } from "./text_width.ts";

export const tree: Command = {
  name: "tree",
  usage: "[OPTION…] [REF…]",
  kind: "ref",
  description: [
    "Draws processes with their descendants, each with its reference; all processes, if none is named. " +
    "On a terminal, long lines are cut.",
    REFERENCES,
  ],
  options: [{ name: "json", help: "Print an object for each, parents before their children" }],
  exitCode: "0; 125 if pidfd failed; 126 without permission; 127 if there is no such process.",
  examples: ["pidfd tree", "pidfd tree $$", "pidfd tree --json 1 | jq -r .ref"],
  run: treeCommand,
};

/** A process and what is below it. */
interface Branch {
  readonly process: Process;
  readonly children: readonly Branch[];
}

async function treeCommand(args: string[]): Promise<number> {
  const given = parse(args, tree);
  if (given.positionals.length === 0) {
    print(branchesOf(findAll()), given.has("json"));
    return 0;
  }
  using named = await openAll(given.positionals);
  // The handles tell: a reference that is found now is of the process that was named.
  const refs = named.map(({ ref }) => ref);
  const all = branchesOf(findAll());
  print(refs.flatMap((ref) => findBranch(all, ref) ?? []), given.has("json"));
  return 0;
}

/** Trees of processes. A process whose parent isn't there is a root. */
export function branchesOf(processes: readonly Process[]): Branch[] {
  const byParent = Map.groupBy(processes, ({ ppid }) => ppid);
  const pids = new Set(processes.map(({ pid }) => pid));
  const below = (pid: number): Branch[] =>
    (byParent.get(pid) ?? []).filter((process) => process.pid !== pid)
      .map((process) => ({ process, children: below(process.pid) }));
  return processes.filter(({ ppid }) => !pids.has(ppid))
    .map((process) => ({ process, children: below(process.pid) }));
}

function findBranch(branches: readonly Branch[], ref: string): Branch | undefined {
  for (const branch of branches) {
    if (branch.process.ref === ref) return branch;
    const found = findBranch(branch.children, ref);
    if (found) return found;
  }
  return undefined;
}

function print(branches: readonly Branch[], json: boolean): void {
  const width = Deno.stdout.isTerminal() ? Deno.consoleSize().columns || Infinity : Infinity;
  const printBranch = ({ process, children }: Branch, before: string, under: string): void => {
    const { comm: _, ref, pid, id, command, ppid, creds } = process;
    if (json) printJson({ ref, pid, id, command, ppid, creds });
    else {
      const rest = printable(` ${command ?? ""}`);
      const room = Math.max(width - before.length - ref.length, 0);
      printText(`${before}${stdout.styled(ref, BOLD)}${fitted(rest, room)}`);
    }
    children.forEach((child, i) => {
      const isLast = i === children.length - 1;
      printBranch(child, `${under}${isLast ? "└─ " : "├─ "}`, `${under}${isLast ? "   " : "│  "}`);
    });
  };
  for (const branch of branches) printBranch(branch, "", "");
}

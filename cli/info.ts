/**
 * `pidfd info`: who a process is.
 *
 * @module
 */

import { type NamespaceKind, PidFd, type ProcessInfo, SyscallError } from "../mod.ts";
import { type Command, readOptions } from "./command.ts";
import { printFact, printHeading, printJson } from "./output.ts";
import { openAll } from "./references.ts";

const KINDS: readonly NamespaceKind[] = [
  ...["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] as const,
];

/** The inode number of each namespace; null where it is not for us to see. */
type Namespaces = Record<string, bigint | null>;

export const info: Command = {
  name: "info",
  summary: "Tell who processes are",
  help: `Usage: pidfd info [OPTION…] REF…

Tells who processes are: command, parent, users and groups, cgroup, and which namespaces they
don't share with this program.

REF is a PID, or PID:ID as \`pidfd ref\` prints it, which no other process matches until the next
boot.

Options:
      --json  Print an object for each process, with the numbers of all its namespaces
  -h, --help  Show this

Exit code: 0; 125 if pidfd failed; 126 without permission; 127 if there is no such process.

Examples:
  pidfd info $$
  pidfd info --json 4711 | jq .creds`,
  run: infoCommand,
};

function infoCommand(args: string[]): number {
  const { values: { json }, positionals } = readOptions(args, { json: { type: "boolean" } });
  using processes = openAll(positionals);
  using self = PidFd.fromSelf();
  const own = namespacesOf(self);
  for (const { name, pidfd, command } of processes) {
    const facts = pidfd.getInfo();
    const alive = pidfd.isAlive();
    const namespaces = namespacesOf(pidfd);
    if (json) printJson({ ref: name, ...facts, alive, command, namespaces });
    else print(facts, alive, command, differing(namespaces, own));
  }
  return 0;
}

function print(
  { pid, ppid, id, cgroupId, creds }: ProcessInfo,
  alive: boolean,
  command: string | null,
  namespaces: string,
): void {
  printHeading(`${pid} ${command ?? ""}`);
  printFact("state", alive ? "alive" : "ended, and not yet reaped by its parent");
  printFact("ref", id === null ? "needs Linux 6.9" : `${pid}:${id}`);
  printFact("parent", ppid);
  printFact("user", `${creds.ruid} real, ${creds.euid} effective`);
  printFact("group", `${creds.rgid} real, ${creds.egid} effective`);
  printFact("cgroup", cgroupId ?? "not to be seen from here");
  printFact("namespaces", namespaces);
}

function namespacesOf(pidfd: PidFd): Namespaces {
  return Object.fromEntries(KINDS.map((kind) => [kind, inodeOf(pidfd, kind)]));
}

function inodeOf(pidfd: PidFd, kind: NamespaceKind): bigint | null {
  try {
    using namespace = pidfd.getNamespace(kind);
    return namespace.inode();
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}

function differing(theirs: Namespaces, own: Namespaces): string {
  const hidden = KINDS.filter((kind) => theirs[kind] === null);
  if (hidden.length > 0) return `not to be seen from here: ${hidden.join(", ")}`;
  const others = KINDS.filter((kind) => theirs[kind] !== own[kind]);
  return others.length === 0 ? "shared with this program" : `its own: ${others.join(", ")}`;
}

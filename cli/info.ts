/**
 * `pidfd info`: who a process is.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import type { Credentials } from "../pidfd/info.ts";
import type { NamespaceKind } from "../pidfd/namespaces.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { parseCgroupPath } from "../pidfd/proc_text.ts";
import { type Command, REFERENCES } from "./command.ts";
import { describeLimits, limitsOf, type LimitTable } from "./limits.ts";
import { printFact, printHeading, printJson } from "./output.ts";
import { parse } from "./parse.ts";
import { openAll } from "./references.ts";
import type { Subject } from "./subject.ts";

const KINDS: readonly NamespaceKind[] = [
  ...["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] as const,
];

/** The inode number of each namespace; null where it is not for us to see. */
type Namespaces = Record<string, bigint | null>;

export const info: Command = {
  name: "info",
  usage: "[OPTION…] REF…",
  kind: "ref",
  description: [
    "Tells who processes are: command, parent, users and groups, cgroup, limits, and which namespaces " +
    "they don't share with this program.",
    REFERENCES,
  ],
  options: [
    { name: "json", help: "Print an object for each process, with all its namespaces and limits" },
  ],
  exitCode: "0; 125 if pidfd failed; 126 without permission; 127 if there is no such process.",
  examples: ["pidfd info $$", "pidfd info --json 4711 | jq .creds"],
  run: infoCommand,
};

async function infoCommand(args: string[]): Promise<number> {
  const given = parse(args, info);
  using processes = await openAll(given.positionals);
  using self = PidFd.fromSelf();
  const own = namespacesOf(self);
  for (const { name: _, pidfd, ...subject } of processes) {
    const { ppid, creds, cgroupId } = pidfd.getInfo();
    const alive = pidfd.isAlive();
    const [cgroup, namespaces, limits] = [cgroupOf(pidfd), namespacesOf(pidfd), limitsOf(pidfd)];
    const facts = { ...subject, ppid, alive, creds, cgroup, cgroupId, namespaces, limits };
    if (given.has("json")) printJson(facts);
    else print(facts, own);
  }
  return 0;
}

/** All that is told of a process. */
interface Facts extends Subject {
  readonly ppid: number;
  readonly alive: boolean;
  readonly creds: Credentials;
  readonly cgroup: string | null;
  readonly cgroupId: bigint | null;
  readonly namespaces: Namespaces;
  readonly limits: LimitTable | null;
}

function print(facts: Facts, own: Namespaces): void {
  const { pid, ppid, ref, id, alive, command, creds, cgroup } = facts;
  printHeading(command === null ? `${pid}` : `${pid} ${command}`);
  printFact("state", alive ? "alive" : "ended, and not yet reaped by its parent");
  printFact("ref", id === null ? "needs Linux 6.9" : ref);
  printFact("parent", ppid);
  printFact("user", `${creds.ruid} real, ${creds.euid} effective`);
  printFact("group", `${creds.rgid} real, ${creds.egid} effective`);
  printFact("cgroup", cgroup ?? "not to be seen from here");
  printFact("namespaces", differing(facts.namespaces, own));
  printFact("limits", describeLimits(facts.limits));
}

/** The path of its cgroup; null where that can't be seen, or there is no cgroup (version 2). */
function cgroupOf(pidfd: PidFd): string | null {
  try {
    return pidfd.accessProc((proc) => parseCgroupPath(proc.readTextFile("cgroup")));
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
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

/**
 * The ways in which a process can get away from the one that started it.
 *
 * @module
 */

import { isRoot } from "./processes.ts";
import { canRun } from "./skip.ts";
import { allPids } from "./trees.ts";
import { readProc, readStat } from "./proc.ts";
import { inNamespaces, works } from "./privileges.ts";

/** Processes that can be told from all others whatever becomes of their names and environments. */
export class Runaway {
  /** How long to sleep: a time that nobody else sleeps. */
  readonly #time = `600.${crypto.getRandomValues(new Uint32Array(2)).join("")}`;

  /** A command that stays. */
  readonly command = `sleep ${this.#time}`;

  /** The PIDs of those that run it, and of shells that have it in their commands. */
  pids(): number[] {
    // The youngest first: of a line of those, each of which starts the next, only that one still runs.
    const pids = allPids().sort((a, b) => b - a);
    return pids.filter((pid) => commandLine(pid)?.includes(this.#time)).reverse();
  }
}

/**
 * A process's command line. One that is just executing a program has none for a moment: it is asked
 * again, unless it is a zombie or a thread of the kernel's, which have no program either.
 */
function commandLine(pid: number): string | null {
  for (let tries = 1;; tries++) {
    const line = readProc(`${pid}/cmdline`);
    if (line !== "" || tries === 1000 || !hasProgram(pid)) return line;
  }
}

/** The parent of the kernel's threads. */
const KTHREADD = 2;

function hasProgram(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== "Z" && pid !== KTHREADD && stat.ppid !== KTHREADD;
}

/** One way to get away. */
export interface Escape {
  readonly name: string;
  /** A shell's command that starts a runaway, which prints a line, and ends or goes on. */
  script(command: string): string;
  /** What it needs that not every machine has. */
  readonly needs?: string;
  readonly isThere?: boolean;
}

const canChangeUser = isRoot && canRun("setpriv", ["--reuid=65534", "true"]);
const AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/** A new namespace of some kinds, if this user may have it. */
function unshared(name: string, ...options: string[]): Escape {
  const prefix = inNamespaces(...options);
  return {
    name,
    script: (command) => `${prefix.join(" ")} setsid sh -c '${command} & echo; wait' & exit`,
    needs: "unshare",
    isThere: works(prefix),
  };
}

/** As to another user, and PAM has a word in the limits: where there is a su at all. */
const BY_SU: readonly Escape[] = canRun("su", ["nobody", "-s", "/bin/sh", "-c", "true"])
  ? [{
    name: "su to another user",
    script: (command) => `su nobody -s /bin/sh -c 'echo; exec ${command}' & exit`,
    needs: "root",
    isThere: isRoot,
  }]
  : [];

/** All of them. */
export const ESCAPES: readonly Escape[] = [
  { name: "a job of a shell that exits", script: (command) => `${command} & echo; exit` },
  { name: "a child of a shell that stays", script: (command) => `${command} & echo; wait` },
  { name: "a double fork", script: (command) => `( (${command} & echo) & ); exit` },
  { name: "setsid", script: (command) => `setsid sh -c 'echo; exec ${command}' & exit` },
  { name: "nohup", script: (command) => `nohup sh -c 'echo; exec ${command}' & exit` },
  {
    name: "an empty environment",
    script: (command) => `env -i setsid sh -c 'echo; exec ${command}' & exit`,
  },
  {
    name: "another user",
    script: (command) => `${AS_NOBODY} env -i setsid sh -c 'echo; exec ${command}' & exit`,
    needs: "root and setpriv",
    isThere: canChangeUser,
  },
  ...BY_SU,
  {
    name: "another name",
    script: (command) =>
      `setsid sh -c 'echo kworker >/proc/$$/comm; echo; while :; do ${command}; done' & exit`,
  },
  {
    name: "a line of processes, each of which starts the next and ends, 200 a second",
    script: (command) => `
      next() { sleep 0.005; next & }
      { echo; next; : ${command}; } & exit
    `,
  },
  {
    name: "a process that starts another one 200 times a second",
    script: (command) => `setsid sh -c 'echo; while :; do ${command} & sleep 0.005; done' & exit`,
  },
  {
    name: "a process that is stopped",
    script: (command) => `setsid sh -c 'echo; kill -STOP $$; exec ${command}' & exit`,
  },
  {
    name: "a process that ignores SIGTERM",
    script: (command) => `setsid sh -c "trap '' TERM; echo; exec ${command}" & exit`,
  },
  unshared("a PID namespace", "--pid", "--fork"),
  unshared("a mount namespace", "--mount"),
  {
    name: "a user namespace",
    script: (command) => `unshare --user setsid sh -c 'echo; exec ${command}' & exit`,
    needs: "unshare and user namespaces",
    isThere: works(["unshare", "--user"]),
  },
];

/**
 * The options of `spawn`, and the two forms of its call.
 *
 * @module
 */

import { checkInstance, checkRecord } from "../pidfd/arguments.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import type { Signal } from "../pidfd/signals.ts";
import type { Cgroup } from "./cgroup.ts";
import type { EndOptions } from "./ending.ts";
import type { Limits } from "./limits.ts";
import type { Stdio } from "./stdio.ts";

/** Options for {@linkcode spawn}: those of `Deno.Command` for `spawn()`, and more. */
export interface SpawnOptions {
  /** The arguments that follow the command's name. */
  args?: string[];
  /** What the program sees as its own name (`argv[0]`): the file's path unless told otherwise. */
  argv0?: string;
  /**
   * Where it starts: this program's working directory unless told otherwise. It is entered with the
   * rights of the child's user.
   */
  cwd?: string | URL;
  /** Environment variables, in addition to this program's own. */
  env?: Record<string, string>;
  /** Whether it gets `env` alone, and none of this program's own environment variables. */
  clearEnv?: boolean;
  /** Its standard input: `"inherit"` unless told otherwise. */
  stdin?: Stdio;
  /** Its standard output: `"inherit"` unless told otherwise. */
  stdout?: Stdio;
  /** Its standard error: `"inherit"` unless told otherwise; `"stdout"` for wherever that goes. */
  stderr?: Stdio | "stdout";
  /**
   * Further descriptors that it gets, by the number that they have there (3 or more): this is
   * how a pidfd is inherited.
   */
  fds?: Record<number, OwnedFd | PidFd | number>;
  /** Whether it leads a session of its own (setsid(2)), away from this program's terminal. */
  detached?: boolean;
  /** The process group that it joins (setpgid(2)); 0 for one of its own. */
  processGroup?: number;
  /**
   * The cgroup (version 2), or the path of its folder, that it is in from the beginning: it is born
   * there from Linux 5.7 on, and before it moves there before all else. That takes write access to
   * the cgroup.
   *
   * A {@linkcode Cgroup} ends when its owner says so. A path stands for a cgroup that is the child's
   * own: whoever disposes of the child ends all that is in there, which needs Linux 5.14; until then
   * a descriptor holds the folder. With `contain` it is only where the child is.
   *
   * Best a new one for each: on some kernels (6.18.44; neither 6.12.117 nor 7.3.4) whoever is born
   * into it gets SIGKILL at once if `cgroup.kill` was used before, as disposal does if any process
   * is left there once the tree has ended.
   */
  cgroup?: string | Cgroup;
  /**
   * Whether all that it starts ends with it, however that detaches: at disposal, by
   * {@linkcode killTree} on its `pidfd`, after `timeout`, and by an abort of `signal`. Each of them
   * gets the signal of `end`, and SIGKILL after the grace. Ending by itself, the child ends nobody.
   *
   * `features().containment` tells by which means:
   *
   * - `"cgroup"`: a cgroup of its own, below `cgroup` or this program's own, where this program may
   *   make one (root; what was delegated to a service or a user), from Linux 5.14 on. It holds
   *   everything but a process that is moved to another cgroup by somebody who may do that, as a
   *   process of this program's own user often may.
   * - `"mark"`: a limit that limits nothing (`RLIMIT_RSS`, `ulimit -m`) marks all that it starts. That
   *   holds everything but a process that sets this limit itself, and then loses its parent. Those
   *   of other users go on where this program has no right to signal them.
   *
   * Neither holds what a service starts that the child asks to: cron, systemd, Docker.
   *
   * @throws {UnsupportedError} If there is neither.
   */
  contain?: boolean;
  /**
   * The ID of its user: real, effective and saved (setresuid(2)). Without `groups`, its
   * supplementary groups are dropped; a program that isn't root and may not do that keeps them.
   */
  uid?: number;
  /** The ID of its group: real, effective and saved (setresgid(2)). */
  gid?: number;
  /** Its supplementary groups (setgroups(2)). */
  groups?: readonly number[];
  /**
   * Its user by name, in place of `uid`, `gid` and `groups`: all three as getpwnam(3) and
   * getgrouplist(3) know them. The environment isn't changed: see `env`.
   */
  user?: string;
  /** Which permissions the files that it makes don't get (umask(2)): `0o077`. */
  umask?: number;
  /** Its niceness (setpriority(2)): −20, the most favourable, to 19. */
  nice?: number;
  /** Resource limits by prlimit(1)'s names; a number is both the soft and the hard limit. */
  limits?: Limits;
  /**
   * Whether neither it nor a descendant can gain privileges by what it executes, set-user-ID
   * programs say ({@link https://man7.org/linux/man-pages/man2/PR_SET_NO_NEW_PRIVS.2const.html |
   * PR_SET_NO_NEW_PRIVS(2const)}).
   */
  noNewPrivileges?: boolean;
  /**
   * The signal that the kernel sends it when the thread ends that called `spawn`, however that
   * comes: the main thread ends with the program, a worker's with the worker. A child that executes
   * a set-user-ID program gets none
   * ({@link https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html |
   * PR_SET_PDEATHSIG(2const)}).
   */
  parentDeathSignal?: Signal;
  /**
   * Ends the process when it aborts, in the way that `end` tells. If the process refuses that, as
   * one with more rights can, it goes on, and {@linkcode Child.endError} tells why.
   */
  signal?: AbortSignal;
  /**
   * How long it may run, in milliseconds from its start. Then it is ended in the way that `end`
   * tells, and {@linkcode Child.timedOut} is true.
   */
  timeout?: number;
  /** How it is ended: by an abort of `signal`, after `timeout`, and at disposal. */
  end?: EndOptions;
  /** An option of `Deno.Command` that means nothing on Linux. */
  windowsRawArguments?: boolean;
}

/** Every option. A record of all, so that none can be forgotten here. */
const KNOWN: Readonly<Record<keyof SpawnOptions, true>> = {
  args: true,
  argv0: true,
  cgroup: true,
  clearEnv: true,
  contain: true,
  cwd: true,
  detached: true,
  end: true,
  env: true,
  fds: true,
  gid: true,
  groups: true,
  limits: true,
  nice: true,
  noNewPrivileges: true,
  parentDeathSignal: true,
  processGroup: true,
  signal: true,
  stderr: true,
  stdin: true,
  stdout: true,
  uid: true,
  timeout: true,
  umask: true,
  user: true,
  windowsRawArguments: true,
};

/** The options of a call of either form, once none is unknown. */
export function optionsOf(
  first: readonly string[] | SpawnOptions | undefined,
  second: Omit<SpawnOptions, "args"> | undefined,
): SpawnOptions {
  if (!Array.isArray(first)) {
    if (second !== undefined) checkInstance("args", first, "an array", Array);
    return checkNames((first === undefined ? {} : first) as SpawnOptions);
  }
  const options = checkNames(second === undefined ? {} : second);
  if (options.args !== undefined) {
    throw new TypeError("options.args must not be given where the arguments stand before");
  }
  return { ...options, args: [...first] };
}

function checkNames(options: SpawnOptions): SpawnOptions {
  checkRecord("options", options);
  // Those that it inherits count as well, as they do where it is read.
  for (const name in options) {
    if (Object.hasOwn(KNOWN, name)) continue;
    throw new TypeError(`options.${name} is unknown: the nearest option is "${nearest(name)}"`);
  }
  return options;
}

function nearest(name: string): string {
  const distances = Object.keys(KNOWN).map((known) => [distance(name, known), known] as const);
  return distances.reduce((least, other) => other[0] < least[0] ? other : least)[1];
}

/** How many letters have to be inserted, left out or replaced, their case aside (Levenshtein). */
function distance(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

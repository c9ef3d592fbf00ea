/**
 * The set-up of a child: the list of what happens to it between its birth and its program, in
 * this order.
 *
 * What needs privileges comes before the change of user, and what that change would undo comes
 * after it. A step that is refused is an error, and there is no child: never one with more rights
 * than it was to have.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, discard, O_RDONLY, openat, readDirectory, readlinkat } from "../ffi/files.ts";
import {
  chdir,
  clearCloseOnExec,
  closeRange,
  dup3,
  execve,
  type Limit,
  prlimit,
  requireParent,
  setgroups,
  setNoNewPrivileges,
  setParentDeathSignal,
  setpgid,
  setpriority,
  setresgid,
  setresuid,
  setRssLimit,
  setsid,
  type Step,
  umask,
  unblockSignals,
  write,
} from "../ffi/steps.ts";
import { getpid } from "../ffi/syscalls.ts";

/** What a child is to be. */
export interface ChildPlan {
  /** The program's file. */
  readonly path: string;
  readonly argv: readonly string[];
  /** The environment's strings as execve(2) takes them. */
  readonly environment: Uint8Array<ArrayBuffer>;
  /** Where it starts; without it, where this program is. */
  readonly cwd?: string;
  /** Each fd that it gets, and the fd of ours that it is a duplicate of. */
  readonly fds: ReadonlyMap<number, number>;
  /** Whether it leads a new session. */
  readonly session?: boolean;
  /** The process group that it joins; 0 for one of its own. */
  readonly processGroup?: number;
  /** An fd of the folder of the cgroup that it is to be in. */
  readonly cgroup?: number;
  readonly nice?: number;
  readonly limits?: readonly Limit[];
  /** The limit that it is marked with: see mark.ts. */
  readonly mark?: bigint;
  /** The supplementary groups; `"drop"`: none, where this program may drop them. */
  readonly groups?: readonly number[] | "drop";
  readonly gid?: number;
  readonly uid?: number;
  readonly umask?: number;
  /** The signal that it gets when the thread ends that it was started by. */
  readonly parentDeathSignal?: number;
  readonly noNewPrivileges?: boolean;
}

/**
 * The steps of a child.
 *
 * @param cgroupProcs An fd of `cgroup.procs` of the cgroup that the child moves to, if it isn't
 *   born there.
 */
export function* setUp(plan: ChildPlan, cgroupProcs?: number): Generator<Step> {
  // Its place among others. 0 is whoever writes it.
  if (cgroupProcs !== undefined) yield write(cgroupProcs, "0", "cgroup.procs");
  if (plan.session) yield setsid();
  if (plan.processGroup !== undefined) yield setpgid(plan.processGroup);

  // Its descriptors, before a limit on them, and nothing beside them: other code can have opened
  // some that aren't close-on-exec.
  for (const [target, fd] of plan.fds) {
    yield target === fd ? clearCloseOnExec(fd) : dup3(fd, target);
  }
  for (const [first, last] of gaps(plan.fds.keys())) yield closeRange(first, last, ownFds);

  // What this program may have the privileges for, and the child not any more.
  if (plan.nice !== undefined) yield setpriority(plan.nice);
  for (const limit of plan.limits ?? []) yield prlimit(limit);
  if (plan.mark !== undefined) yield setRssLimit(plan.mark);

  // Its user. Each of the three needs privileges that the next one takes away.
  if (plan.groups === "drop") yield setgroups([], { isOptional: true });
  else if (plan.groups !== undefined) yield setgroups(plan.groups);
  if (plan.gid !== undefined) yield setresgid(plan.gid);
  if (plan.uid !== undefined) yield setresuid(plan.uid);

  // With that user's rights.
  if (plan.umask !== undefined) yield umask(plan.umask);
  if (plan.cwd !== undefined) yield chdir(plan.cwd);

  // The kernel forgets the signal when the user changes. And if this program ended before it was
  // set, nobody sends it any more.
  if (plan.parentDeathSignal !== undefined) {
    yield setParentDeathSignal(plan.parentDeathSignal);
    if (isInOurNamespace()) yield requireParent(getpid());
  }
  if (plan.noNewPrivileges) yield setNoNewPrivileges();

  // No handler is left that a signal could call in the memory that this program shares with it.
  yield unblockSignals();
  yield execve(plan.path, plan.argv, plan.environment);
}

/**
 * Whether children of this thread are in its own PID namespace. In another one they see no parent,
 * and so can't see either that it has ended.
 */
function isInOurNamespace(): boolean {
  const own = namespaceLink("pid");
  return own === undefined || own === namespaceLink("pid_for_children");
}

/** What tells one namespace from another; undefined for a PID namespace without a process so far. */
function namespaceLink(kind: string): string | undefined {
  try {
    return readlinkat(AT_FDCWD, `/proc/thread-self/ns/${kind}`);
  } catch (error) {
    // Without /proc nothing is known, and namespaces are rare.
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The ranges of fds between and behind those that are kept. */
function gaps(kept: Iterable<number>): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  let first = 0;
  for (const fd of [...kept].sort((a, b) => a - b)) {
    if (fd > first) ranges.push([first, fd - 1]);
    first = fd + 1;
  }
  return [...ranges, [first, Infinity]];
}

/** The fds that this program has open, and one that was closed again. */
function ownFds(): number[] {
  const directory = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY);
  try {
    return readDirectory(directory).map(Number);
  } finally {
    discard(directory);
  }
}

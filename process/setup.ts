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

import { AT_FDCWD, discard, O_RDONLY, openat, readDirectory } from "../ffi/files.ts";
import {
  chdir,
  clearCloseOnExec,
  closeRange,
  dup3,
  execve,
  giveTo,
  ignoreSignal,
  type Limit,
  prlimit,
  requireParent,
  setControllingTerminal,
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
import { getpid, isOwnUser } from "../ffi/syscalls.ts";
import { namespaceLink } from "../pidfd/namespaces.ts";
import type { Passage } from "./namespaces.ts";

/** What a child is to be. */
export interface ChildPlan {
  /** The program's file. */
  readonly path: string;
  /** What is tried before that, where the child alone can see which of them is there. */
  readonly tried?: readonly string[];
  readonly argv: readonly (string | Uint8Array)[];
  /** The environment's strings as execve(2) takes them. */
  readonly environment: Uint8Array<ArrayBuffer>;
  /** Where it starts; without it, where this program is. */
  readonly cwd?: string;
  /** Each fd that it gets, and the fd of ours that it is a duplicate of. */
  readonly fds: ReadonlyMap<number, number>;
  /** Those of them that go on to it by themselves: the same fds of ours, not close-on-exec. */
  readonly inherited?: ReadonlySet<number>;
  /** Whether it leads a new session. */
  readonly session?: boolean;
  /** An fd of the far end of the terminal that is to control its session, which must be a new one. */
  readonly terminal?: number;
  /** The process group that it joins; 0 for one of its own. */
  readonly processGroup?: number;
  /** An fd of the folder of the cgroup that it is to be in. */
  readonly cgroup?: number;
  /** The way into the namespaces that it is to be in, if they aren't this program's. */
  readonly passage?: Passage;
  readonly nice?: number;
  readonly limits?: readonly Limit[];
  /** The limit that it is marked with: see mark.ts. */
  readonly mark?: bigint;
  /** The supplementary groups; `"drop"`: none, if a change of user is not to bring them along. */
  readonly groups?: readonly number[] | "drop";
  readonly gid?: number;
  readonly uid?: number;
  readonly umask?: number;
  /** The signal that it gets when the thread ends that it was started by. */
  readonly parentDeathSignal?: number;
  readonly noNewPrivileges?: boolean;
  /** The numbers of the signals that it ignores. */
  readonly ignoredSignals?: readonly number[];
  /** Whether the kernel kills it when its last handle is closed; see `Launch` for privileges. */
  readonly killOnClose?: boolean;
}

/**
 * The steps of a child.
 *
 * @param cgroupProcs An fd of `cgroup.procs` of the cgroup that the child moves to, if it isn't
 *   born there.
 */
export function setUp(plan: ChildPlan, cgroupProcs?: number): Step[] {
  const steps: Step[] = [];

  // Its place among others. 0 stands for the process that writes it.
  if (cgroupProcs !== undefined) steps.push(write(cgroupProcs, "0", "cgroup.procs"));
  const { passage } = plan;
  // Who becomes another's root may not be allowed there to drop its groups.
  if (passage?.becomesRoot && plan.groups === "drop") {
    steps.push(setgroups([], { isOptional: !isOwnUser(0) }));
  }
  if (passage !== undefined) steps.push(...passage.steps());
  if (plan.session) steps.push(setsid());
  if (plan.terminal !== undefined) {
    steps.push(setControllingTerminal(plan.terminal));
    // So that its user may open it by its path, as programs do that need it for themselves. In
    // another user namespace nobody may be able to give it away.
    if (plan.uid !== undefined && !passage?.entersUser) {
      steps.push(giveTo(plan.uid, plan.terminal, "terminal"));
    }
  }
  if (plan.processGroup !== undefined) steps.push(setpgid(plan.processGroup));

  // Its descriptors, before a limit on them, and nothing beside them: other code can have opened
  // some that aren't close-on-exec.
  for (const [target, fd] of plan.fds) {
    if (target !== fd) steps.push(dup3(fd, target));
    else if (!plan.inherited?.has(fd)) steps.push(clearCloseOnExec(fd));
  }
  for (const [first, last] of gaps(plan.fds.keys())) steps.push(closeRange(first, last, ownFds));

  // What this program may have the privileges for, and the child not any more.
  if (plan.nice !== undefined) steps.push(setpriority(plan.nice));
  for (const limit of plan.limits ?? []) steps.push(prlimit(limit));
  if (plan.mark !== undefined) steps.push(setRssLimit(plan.mark));

  // Its user. Each of the three needs privileges that the next one takes away. Without the right to
  // drop its groups, a child keeps them only with this program's own user.
  if (plan.groups === "drop") {
    const keepsUser = plan.uid !== undefined && isOwnUser(plan.uid);
    steps.push(setgroups([], { isOptional: keepsUser || passage?.becomesRoot }));
  }
  if (Array.isArray(plan.groups)) steps.push(setgroups(plan.groups));
  if (plan.gid !== undefined) steps.push(setresgid(plan.gid));
  if (plan.uid !== undefined) steps.push(setresuid(plan.uid));

  // With that user's rights.
  if (plan.umask !== undefined) steps.push(umask(plan.umask));
  if (plan.cwd !== undefined) steps.push(chdir(plan.cwd));

  // The kernel forgets the signal when the user changes. And if this program ended before it was
  // set, nobody sends it any more.
  if (plan.parentDeathSignal !== undefined) {
    steps.push(setParentDeathSignal(plan.parentDeathSignal));
    if (!passage?.hidesParent && childSeesItsParent()) steps.push(requireParent(getpid()));
  }
  if (plan.noNewPrivileges) steps.push(setNoNewPrivileges());

  for (const signal of plan.ignoredSignals ?? []) steps.push(ignoreSignal(signal));
  // No handler is left that a signal could call in the memory that this program shares with it.
  steps.push(unblockSignals());
  for (const path of plan.tried ?? []) {
    const argv = plan.argv[0] === plan.path ? [path, ...plan.argv.slice(1)] : plan.argv;
    steps.push({ ...execve(path, argv, plan.environment), passes: "any" });
  }
  steps.push(execve(plan.path, plan.argv, plan.environment));
  return steps;
}

/**
 * Whether a child of this thread sees its parent: in another PID namespace it does not, and can't see
 * either that the parent has ended.
 */
export function childSeesItsParent(): boolean {
  const own = namespaceLink("pid");
  return own === undefined || own === namespaceLink("pid_for_children");
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

/**
 * Starting a process and getting its pidfd, on each kernel and in each sandbox.
 *
 * - Linux 5.2: clone(2) with CLONE_PIDFD gives a pidfd at birth, so that no child is ever without.
 * - Linux 5.3: clone3(2).
 * - Linux 5.5: CLONE_CLEAR_SIGHAND resets the signals that this program handles. What it ignores
 *   stays ignored.
 * - Linux 5.7: CLONE_INTO_CGROUP.
 * - Linux 7.1: CLONE_PIDFD_AUTOKILL kills a child when the last duplicate of its pidfd is closed.
 *   That takes CAP_SYS_ADMIN, or a child that can't gain privileges (CLONE_NNP): or else anybody
 *   could kill a set-user-ID program.
 *
 * Container runtimes refuse clone3, whose arguments their filters can't see. clone does the same
 * then, with a step for each signal. What was refused is remembered.
 *
 * @module
 */

import { Errno } from "./errno.ts";
import { UnsupportedError } from "./errors.ts";
import { type Birth, type Born, carryOut, reap } from "./job.ts";
import { launchFailure } from "./launch_failure.ts";
import { type Kind, typesOf } from "./namespaces.ts";
import { actByDefault, isIgnored, SIGNALS } from "./signal_actions.ts";
import { type CallName, exitGroup, resetAction, type Step } from "./steps.ts";

const SIGCHLD = 17;

/** What a kernel or a sandbox answers that doesn't have a call, or not all of it. */
const REFUSALS: ReadonlySet<number> = new Set([Errno.EINVAL, Errno.ENOSYS, Errno.EPERM]);

/** What is to be started. */
export interface Launch {
  /** What the child does, in this order, up to an execution. */
  readonly steps: readonly Step[];
  /** Whether it changes its user or group. */
  readonly changesUser: boolean;
  /**
   * Whether it has to have memory of its own for another reason: in another user namespace, others
   * could reach into this program through it.
   */
  readonly ownMemory?: boolean;
  /** The kinds of namespaces of which it is born into new ones. */
  readonly unshare?: readonly Kind[];
  /** An fd of the folder of the cgroup that it is born into: from Linux 5.7 on. */
  readonly cgroup?: number;
  /** Whether the kernel kills it when its last handle is closed: from Linux 7.1 on. */
  readonly killOnClose?: boolean;
  /**
   * Whether one that is killed so can't gain privileges from its birth on. Unless told, it can if
   * this program has CAP_SYS_ADMIN.
   */
  readonly noNewPrivileges?: boolean;
}

/** A process that was started, and executes its program. */
export interface Launched {
  readonly pid: number;
  readonly pidfd: number;
}

/**
 * Starts a process, and returns once it executes its program. All signals have their
 * default actions there, and are blocked unless a step changes that.
 *
 * @throws {SyscallError} If a step failed. The message names the step and what it was about.
 * @throws {UnsupportedError} If no child can be born so that it is held.
 */
export function launch(
  { steps, changesUser, ownMemory, unshare = [], ...others }: Launch,
): Launched {
  if (!keepsChildren) keepChildren();
  let list = possible(steps);
  const { cgroup, killOnClose, noNewPrivileges } = others;
  const birth: Omit<Birth, "call"> = {
    ...{ cgroup, killOnClose, noNewPrivileges },
    ownMemory: changesUser || ownMemory || unshare.includes("time"),
    namespaces: typesOf(unshare),
  };
  const about = unshare.length === 0 ? undefined : `unshare ${unshare.join(", ")}`;
  for (;;) {
    const { pid, pidfd, failed } = bear(birth, list, about);
    if (failed === undefined) return { pid, pidfd };
    const { step, result } = failed;
    if (step.instead && REFUSALS.has(-result)) {
      refused.add(step.call);
      list = possible(list);
    } else {
      // A result that is no error is that of getppid: this program is no longer the parent.
      const error = launchFailure(step.call, result < 0 ? -result : Errno.ESRCH, step.about);
      failedSteps.set(error, step);
      throw error;
    }
  }
}

const failedSteps = new WeakMap<Error, Step>();

/** The step that an error of `launch` is about, if it is about one. */
export function failedStep(error: Error): Step | undefined {
  return failedSteps.get(error);
}

/**
 * Tries a birth into a cgroup, and returns 0 or −errno. With an fd that is no cgroup's, a kernel
 * that knows of cgroups says EBADF. Should there be a child, it ends at once.
 */
export function tryCgroupBirth(fd: number): number {
  return tryBirth({ call: "clone3", cgroup: fd });
}

/**
 * Tries the birth of a child that is killed with its pidfd, and returns 0 or −errno. It ends at
 * once. Every user may have one that can't gain privileges.
 */
export function tryKillOnClose(): number {
  return tryBirth({ call: "clone3", killOnClose: true, noNewPrivileges: true });
}

/**
 * Tries the birth of a child in a user namespace of its own, and returns 0 or −errno. With an fd
 * that is no cgroup's, there is none: a kernel that gets as far as that says EBADF. Where clone3
 * isn't to be had, there is a child, which ends at once.
 */
export function tryUserNamespace(fd: number): number {
  const namespaces = typesOf(["user"]);
  const result = tryBirth({ call: "clone3", cgroup: fd, namespaces });
  if (result === -Errno.EBADF) return 0;
  const hasClone3 = tryCgroupBirth(fd) === -Errno.EBADF;
  return hasClone3 ? result : tryBirth({ call: "clone", namespaces });
}

function tryBirth(birth: Birth): number {
  const born = carryOut(birth, [exitGroup(0)]);
  if (typeof born === "number") return born;
  reap(birth, born);
  return born.pidfd < 0 ? -Errno.ENOSYS : 0;
}

/** The calls of steps that kernel or sandbox have refused. */
const refused = new Set<CallName>();

/** The steps with those replaced that can't be taken here. */
function possible(steps: readonly Step[]): readonly Step[] {
  if (refused.size === 0) return steps;
  return steps.flatMap((step) => step.instead && refused.has(step.call) ? step.instead() : [step]);
}

/** The call that children are born by. */
let birthCall: Birth["call"] = "clone3";

/**
 * @param about What it is to be born into, for the message of its failure.
 */
function bear(birth: Omit<Birth, "call">, steps: readonly Step[], about?: string): Born {
  if (birth.killOnClose) return bearKilledOnClose(birth, steps, about);
  const needsClone3 = birth.cgroup !== undefined || hasTime(birth);
  if (birthCall === "clone3" || needsClone3) {
    const born = carryOut({ ...birth, call: "clone3" }, [...resets("clone3"), ...steps]);
    if (typeof born === "object") return born;
    if (needsClone3) {
      const place = birth.cgroup === undefined ? [] : ["into the cgroup"];
      throw launchFailure("clone3", -born, [...place, ...about ? [about] : []].join(", "));
    }
    if (!REFUSALS.has(-born) || areRefused(birth)) throw launchFailure("clone3", -born, about);
    requireClone();
    birthCall = "clone";
  }
  const born = carryOut({ ...birth, call: "clone" }, [...resets("clone"), ...steps]);
  if (typeof born === "object") return born;
  throw launchFailure("clone", -born, about);
}

/** Whether it has a new time namespace: clone(2) has no room for that flag. */
function hasTime({ namespaces = 0 }: Omit<Birth, "call">): boolean {
  return (namespaces & typesOf(["time"])) !== 0;
}

/** Whether it is the namespaces that were refused, and not clone3 itself. */
function areRefused({ namespaces = 0 }: Omit<Birth, "call">): boolean {
  return namespaces !== 0 && tryBirth({ call: "clone3" }) === 0;
}

/** Whether a child that is killed with its pidfd may gain privileges, as far as is known. */
let mayGainPrivileges = true;

/** As `bear`, for a child that is killed with its pidfd. No other call does the same. */
function bearKilledOnClose(
  birth: Omit<Birth, "call">,
  steps: readonly Step[],
  namespaces?: string,
): Born {
  const list = [...resets("clone3"), ...steps];
  const tryIt = (noNewPrivileges: boolean) =>
    carryOut({ ...birth, call: "clone3", noNewPrivileges }, list);
  const isUntold = birth.noNewPrivileges === undefined;
  let born = tryIt(birth.noNewPrivileges ?? !mayGainPrivileges);
  if (born === -Errno.EPERM && isUntold && mayGainPrivileges) {
    born = tryIt(true);
    mayGainPrivileges = typeof born === "number";
  }
  if (typeof born === "object") return born;
  const needsCapability = born === -Errno.EPERM && birth.noNewPrivileges === false;
  const about = needsCapability
    ? "killOnClose with noNewPrivileges: false needs CAP_SYS_ADMIN"
    : "killOnClose";
  throw launchFailure("clone3", -born, namespaces ? `${namespaces}, ${about}` : about);
}

/** Tries clone with no command: one that doesn't know CLONE_PIDFD has a child that can't be held. */
function requireClone(): void {
  const result = tryBirth({ call: "clone" });
  if (result === 0) return;
  if (!REFUSALS.has(-result)) throw launchFailure("clone", -result);
  throw new UnsupportedError(
    "clone3 or clone with CLONE_PIDFD",
    "Linux 5.2",
    "a sandbox, such as a container's seccomp filter, refuses both, and nothing was started",
  );
}

/** Whether the kernel keeps children that have ended until they are reaped. */
let keepsChildren = false;

/** Has it do so. A program can be started with SIGCHLD ignored; Deno lets none ignore it later. */
function keepChildren(): void {
  if (isIgnored(SIGCHLD)) actByDefault(SIGCHLD);
  keepsChildren = true;
}

const made: Partial<Record<Birth["call"], readonly Step[]>> = {};

/**
 * The steps that give all signals their default actions. clone3 resets handled signals, not ignored
 * ones. Those need a step each: Deno's SIGPIPE, and the signals that this program was started with as
 * ignored. They are looked for once, as Deno lets no program ignore others.
 */
function resets(call: Birth["call"]): readonly Step[] {
  return made[call] ??= SIGNALS.filter((signal) => call === "clone" || isIgnored(signal))
    .map(resetAction);
}

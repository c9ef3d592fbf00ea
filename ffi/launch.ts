/**
 * Starting a process and getting its pidfd, on every kernel and in every sandbox.
 *
 * - Linux 5.2: clone(2) with CLONE_PIDFD returns a pidfd with the child, so there is no race.
 * - Linux 5.3: clone3(2).
 * - Linux 5.5: CLONE_CLEAR_SIGHAND resets the signals that this program handles. Ignored signals
 *   stay ignored.
 * - Linux 5.7: CLONE_INTO_CGROUP.
 * - Linux 7.1: CLONE_PIDFD_AUTOKILL kills a child when the last duplicate of its pidfd is closed.
 *   It needs CAP_SYS_ADMIN, or a child that can't gain privileges (CLONE_NNP). Otherwise any user
 *   could kill a set-user-ID program.
 *
 * Container runtimes refuse clone3, because their filters can't see its arguments. Then clone is
 * used, and the child resets each signal by a step. A refusal is remembered.
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

/** The errors of a kernel or a sandbox that lacks a call, or a part of it. */
const REFUSALS: ReadonlySet<number> = new Set([Errno.EINVAL, Errno.ENOSYS, Errno.EPERM]);

/** A process to start. */
export interface Launch {
  /** The child's system calls, in this order. The last one is an execution. */
  readonly steps: readonly Step[];
  /** Whether it changes its user or group. */
  readonly changesUser: boolean;
  /**
   * Whether it must not share this program's memory, for a reason other than `changesUser`. In
   * another user namespace, processes there could trace it and reach this program's memory.
   */
  readonly ownMemory?: boolean;
  /** The kinds of new namespaces that it is born into. */
  readonly unshare?: readonly Kind[];
  /** An fd of the folder of the cgroup that it is born into; Linux 5.7. */
  readonly cgroup?: number;
  /** Whether the kernel kills it when its last handle is closed; Linux 7.1. */
  readonly killOnClose?: boolean;
  /**
   * With `killOnClose`: whether the child can't gain privileges, from its birth on. By default it
   * can if this program has CAP_SYS_ADMIN.
   */
  readonly noNewPrivileges?: boolean;
}

/** A process that was started and has executed its program. */
export interface Launched {
  readonly pid: number;
  readonly pidfd: number;
}

/**
 * Starts a process, and returns once it has executed its program. All signals have their default
 * actions there. They are blocked, unless a step changes that.
 *
 * @throws {SyscallError} If a step failed. The message names the step and its subject.
 * @throws {UnsupportedError} If no call can start a child with a pidfd.
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
      // Only getppid fails without an error: its result shows that this program is not the parent.
      const error = launchFailure(step.call, result < 0 ? -result : Errno.ESRCH, step.about);
      failedSteps.set(error, step);
      throw error;
    }
  }
}

const failedSteps = new WeakMap<Error, Step>();

/** The step that caused an error of `launch`, if one did. */
export function failedStep(error: Error): Step | undefined {
  return failedSteps.get(error);
}

/**
 * Tries a birth into a cgroup, and returns 0 or −errno. If the fd is not a cgroup, a kernel that
 * supports CLONE_INTO_CGROUP returns EBADF. If a child is born, it ends at once.
 */
export function tryCgroupBirth(fd: number): number {
  return tryBirth({ call: "clone3", cgroup: fd });
}

/**
 * Tries the birth of a child with CLONE_PIDFD_AUTOKILL, and returns 0 or −errno. The child ends at
 * once. It can't gain privileges, so every user may start it.
 */
export function tryKillOnClose(): number {
  return tryBirth({ call: "clone3", killOnClose: true, noNewPrivileges: true });
}

/**
 * Tries the birth of a child in a new user namespace, and returns 0 or −errno.
 *
 * If the fd is not a cgroup, no child is born: after all checks of the namespace, clone3 returns
 * EBADF. Without clone3 a child is born, and ends at once.
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

/** The calls of steps that the kernel or a sandbox has refused. */
const refused = new Set<CallName>();

/** The steps, with refused calls replaced. */
function possible(steps: readonly Step[]): readonly Step[] {
  if (refused.size === 0) return steps;
  return steps.flatMap((step) => step.instead && refused.has(step.call) ? step.instead() : [step]);
}

/** The call that starts children. */
let birthCall: Birth["call"] = "clone3";

/**
 * Starts a child by the call that works here.
 *
 * @param about The new namespaces, for the message of a failure.
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

/** Whether the child has a new time namespace: clone(2) has no room for that flag. */
function hasTime({ namespaces = 0 }: Omit<Birth, "call">): boolean {
  return (namespaces & typesOf(["time"])) !== 0;
}

/** Whether the namespaces were refused, and not clone3 itself. */
function areRefused({ namespaces = 0 }: Omit<Birth, "call">): boolean {
  return namespaces !== 0 && tryBirth({ call: "clone3" }) === 0;
}

/** Whether a child with `killOnClose` may gain privileges: yes, until the kernel refuses that. */
let mayGainPrivileges = true;

/** As `bear`, for a child with `killOnClose`. Only clone3 can do this. */
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

/** Tries clone with a child that ends at once: without CLONE_PIDFD it would have no pidfd. */
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

/**
 * Makes the kernel keep ended children. A parent can start this program with SIGCHLD ignored, and
 * then the kernel reaps. One check is enough: Deno has no way to ignore SIGCHLD later.
 */
function keepChildren(): void {
  if (isIgnored(SIGCHLD)) actByDefault(SIGCHLD);
  keepsChildren = true;
}

const made: Partial<Record<Birth["call"], readonly Step[]>> = {};

/**
 * The steps that give all signals their default actions. clone3 resets handled signals, but not
 * ignored ones. Each ignored signal needs a step: SIGPIPE, which Deno ignores, and the signals that
 * were ignored when this program started. They are determined once, because Deno has no way to
 * ignore others later.
 */
function resets(call: Birth["call"]): readonly Step[] {
  return made[call] ??= SIGNALS.filter((signal) => call === "clone" || isIgnored(signal))
    .map(resetAction);
}

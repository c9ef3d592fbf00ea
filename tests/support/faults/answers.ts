/**
 * Errors that are answers: where a kernel says so, the library has to believe it, and something
 * else than an error comes of it.
 *
 * @module
 */

import { Errno, type ErrnoName } from "../../../ffi/errno.ts";
import { features } from "../../../mod.ts";
import { ERRORS } from "./errors.ts";
import { isSame, type Outcome } from "./protocol.ts";
import type { Fault } from "./tracer.ts";

/** Errors of one call that are answers. */
interface Answer {
  readonly calls: readonly string[];
  readonly errors: readonly ErrnoName[];
  readonly operations: RegExp;
  /** Which of the calls, if not any. */
  readonly when?: string;
  /** Whether it's what comes of them; without it they aren't tried, as it takes such a process. */
  readonly accepts?: (found: Outcome) => boolean;
}

function is(value: unknown): (found: Outcome) => boolean {
  return (found) => isSame(found, { value });
}

/** Errors that say nothing of the kernel. */
const UNTOLD: ReadonlySet<string> = new Set(["EAGAIN", "EINTR", "EMFILE", "ENFILE", "ENOMEM"]);

const ANSWERS: readonly Answer[] = [
  // No child of ours. A zombie of somebody else's is waited for until that one has reaped it.
  {
    calls: ["waitid"],
    errors: ["ECHILD"],
    operations: /^PidFd\.tryWait\(\) (on a zombie|to reap)$/,
    accepts: is(null),
  },
  {
    calls: ["waitid"],
    errors: ["ECHILD"],
    operations: /^(PidFd\.wait\(\)|PidFd\.waitSync\(\)$|PidFd\.terminate|spawn|Child)/,
  },
  // Whoever may not wait at all leaves a zombie behind.
  {
    calls: ["waitid"],
    errors: ["EINVAL", "ENOSYS", "EPERM"],
    operations: /^Child's disposal/,
    when: "1+",
  },
  {
    calls: ["waitid"],
    errors: ["ECHILD"],
    operations: /^PidFd\.fromChild\(\)$/,
    accepts: ({ error }) => error?.syscall === "pidfd_open" && error.errno === Errno.ESRCH,
  },
  // It is in a PID namespace that is none of ours, or was reaped, and nothing tells how it ended.
  {
    calls: ["ioctl"],
    errors: ["EREMOTE", "ESRCH"],
    operations: /^(PidFd\.(tryWait|wait)|spawn\(\) with killOnClose$)/,
    accepts: ({ error }) => error?.syscall === "waitid" && error.errno === Errno.ECHILD,
  },
  // The process is gone, and there is nothing to do about it any more.
  {
    calls: ["pidfd_send_signal"],
    errors: ["ESRCH"],
    operations: /^(PidFd\.terminate|spawn|Child's disposal)/,
  },
  {
    calls: ["getdents64", "ioctl", "openat", "pidfd_send_signal", "read", "readlinkat", "statx"],
    errors: ["ENOENT", "ESRCH"],
    operations: /^(killTree|Child's disposal)/,
  },
  // It is another user's. Whoever disposes of it waits for its own end.
  { calls: ["pidfd_send_signal"], errors: ["EPERM"], operations: /^Child's disposal/ },
  {
    calls: ["pidfd_send_signal"],
    errors: ["EPERM"],
    operations: /^killTree\(\)$/,
    accepts: is([true, 1]),
  },
  {
    calls: ["pidfd_send_signal"],
    errors: ["EPERM"],
    operations: /^killTree\(\) with a cgroup/,
    // The root was refused; who was in the cgroup has ended.
    accepts: is([true, false, 1]),
  },
  {
    calls: ["pidfd_send_signal"],
    errors: ["EPERM"],
    operations: /^killTree\(\) of a family/,
    // None lives but those that were refused; a shell ends by itself once its children have.
    accepts: ({ value }) => Array.isArray(value) && value[1] > 0 && value[0] <= value[1],
  },
  // strace doesn't do what it lets fail: what isn't taken out of the set can't be put there again.
  {
    calls: ["epoll_ctl"],
    errors: [...ERRORS.epoll_ctl, "ENOSYS"],
    operations: /^(killTree|PidFd\.terminate\(\) with SIGKILL)/,
    accepts: ({ error }) => error?.syscall === "epoll_ctl" && error.errno === Errno.EEXIST,
  },
  // An fd that isn't in the set any more was closed by other code, and all who wait for it are told.
  {
    calls: ["epoll_ctl"],
    errors: ["ENOENT"],
    operations: /^spawn\(\) with a signal that aborts$/,
    accepts: ({ error }) => error?.syscall === "epoll_ctl" && error.errno === Errno.EBADF,
  },
  // A terminal that nobody has open any more. Its closing hangs up what has it open all the same.
  {
    calls: ["read"],
    errors: ["EIO"],
    operations: /^Child\.terminal$/,
    accepts: ({ value }) => Array.isArray(value) && [0, 129].includes(value[1]),
  },
  // An fd that can't be looked at isn't open; a socket that is none is none.
  {
    calls: ["fcntl"],
    errors: ["EBADF", "EBUSY", "EFAULT", "EINVAL", "EMFILE", "ENOSYS", "EPERM"],
    operations: /^spawn\(\) with a descriptor/,
    accepts: ({ error }) => error?.syscall === "dup3" && error.errno === Errno.EBADF,
  },
  {
    calls: ["getsockopt"],
    errors: ["ENOTSOCK"],
    operations: /^FdSocket\.fromFd/,
    accepts: ({ error }) => error?.name === "TypeError",
  },
  // What isn't there is nothing to remove.
  { calls: ["openat", "unlink"], errors: ["ENOENT"], operations: /^FdListener\.close/ },
  { calls: ["unlinkat"], errors: ["ENOENT"], operations: /^Cgroup|contained by a cgroup$/ },
  // A cgroup that was removed, or the root, which lacks some files.
  {
    calls: ["openat"],
    errors: ["ENOENT", "ENODEV"],
    operations: /^Cgroup\.stats/,
    accepts: ({ error }) => error?.errno === Errno.ENODEV,
  },
  {
    calls: ["openat"],
    errors: ["ENOENT", "ENODEV"],
    operations: /^Cgroup\.(emptied|freeze)/,
    accepts: ({ error }) => error?.name === "UnsupportedError",
  },
  // One that is removed needs no freezing, and one that isn't never gets to be frozen without.
  { calls: ["openat"], errors: ["ENODEV"], operations: /^Cgroup\.freeze/ },
  // What the kernel refuses, it doesn't offer; but who has no fds or memory left can't tell.
  {
    calls: Object.keys(ERRORS),
    errors: Object.keys(Errno).filter((name) => !UNTOLD.has(name)) as ErrnoName[],
    operations: /^Capability\.available$/,
    accepts: ({ value }) => Array.isArray(value),
  },
  {
    calls: ["waitid"],
    errors: ["EAGAIN"],
    operations: /^Capability\.available$/,
    accepts: ({ value }) => Array.isArray(value),
  },
  // Its cgroup was removed, and with it the id.
  {
    calls: ["openat", "statx"],
    errors: ["ENOENT"],
    // Before Linux 6.13 all is from there.
    operations: features().info ? /^PidFd\.getInfo\(\) from \/proc/ : /^PidFd\.getInfo\(\)/,
    accepts: ({ value }) => (value as { ids: string[] } | undefined)?.ids[1] === "null",
  },
];

function answersTo(operation: string, fault: Fault): Answer[] {
  return ANSWERS.filter(({ calls, errors, operations, when }) =>
    calls.includes(fault.call) && errors.includes(fault.errno) && operations.test(operation) &&
    (when === undefined || when === fault.when)
  );
}

/** Whether a fault can't be tried, as nothing can come of it but what is wrong. */
export function isUntried(operation: string, fault: Fault): boolean {
  return answersTo(operation, fault).some(({ accepts }) => accepts === undefined);
}

/** Whether this is what has to come of an answer. */
export function isAnswer(operation: string, fault: Fault, found: Outcome): boolean {
  return answersTo(operation, fault).some(({ accepts }) => accepts?.(found) ?? false);
}

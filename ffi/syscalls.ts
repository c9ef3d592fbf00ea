/**
 * The system calls on processes: one typed function for each, under the kernel's names.
 *
 * - Linux 5.1: pidfd_send_signal.
 * - Linux 5.3: pidfd_open; a pidfd polls readable once its process ended.
 * - Linux 5.4: P_PIDFD for waitid.
 * - Linux 5.6: pidfd_getfd.
 * - Linux 5.8: setns takes a pidfd.
 * - Linux 6.9: PIDFD_THREAD, the scopes of pidfd_send_signal, pidfs with an id for each process,
 *   EPOLLHUP once the process was reaped.
 * - Linux 6.11: an ioctl for each kind of namespace.
 * - Linux 6.13: PIDFD_GET_INFO; from 6.15 with the exit status of a reaped process.
 * - Linux 6.14: open_by_handle_at finds a process by its id.
 *
 * fds are plain numbers here. A caller that receives one owns it and must close it.
 *
 * @module
 */

import { FILEID_KERNFS, pidfsHandle } from "../structs/file_handle.ts";
import {
  PIDFD_COREDUMPED,
  PIDFD_INFO_COREDUMP,
  PIDFD_INFO_SUPPORTED_MASK,
  pidfdInfoVer1,
  pidfdInfoVer2,
  pidfdInfoVer3,
} from "../structs/pidfd_info.ts";
import { EPOLLIN } from "../structs/epoll_event.ts";
import { pollfd } from "../structs/pollfd.ts";
import { rusage } from "../structs/rusage.ts";
import { u64 } from "../structs/scalars.ts";
import { SI_QUEUE, siginfoChild, siginfoQueue } from "../structs/siginfo.ts";
import { userId } from "../structs/user_id.ts";
import { attempt, check, failure, type Hints, outcome } from "./call.ts";
import { Errno } from "./errno.ts";
import { statusFlags } from "./files.ts";
import { arch, libc } from "./libc.ts";

/** waitid as a system call, which also returns the resource usage. libc's function does not. */
const NR_waitid = { x86_64: 247, aarch64: 95 };

/**
 * The numbers of calls for which some supported libc has no function. Calls from Linux 5.1 on have
 * the same number on every architecture.
 */
const NR_pidfd_send_signal = 424;
const NR_pidfd_open = 434;
const NR_pidfd_getfd = 438;

/** `O_EXCL`: the pidfd is for one thread, not for a whole process. */
export const PIDFD_THREAD = 0o200;

/** The target of pidfd_send_signal; 0 means the process or thread that the pidfd stands for. */
export const PIDFD_SIGNAL_THREAD = 1 << 0;
export const PIDFD_SIGNAL_THREAD_GROUP = 1 << 1;
export const PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2;

const P_ALL = 0;
const P_PIDFD = 3;
const WNOHANG = 0x1;
const WEXITED = 0x4;
const WNOWAIT = 0x0100_0000;

const O_CLOEXEC = 0o2000000;

const PIDFS_IOCTL_MAGIC = 0xff;
const PIDFD_GET_INFO_NUMBER = 11;
/** `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)`, for a size of the struct. */
const infoRequest = (size: number) =>
  ((3 << 30) | (size << 16) | (PIDFS_IOCTL_MAGIC << 8) | PIDFD_GET_INFO_NUMBER) >>> 0;
const PIDFD_GET_INFO = infoRequest(pidfdInfoVer1.size);

// Synchronous calls can't overlap, so one buffer of each kind serves them all.
const polled = pollfd.allocate();
const childInfo = siginfoChild.allocate();
const childUsage = rusage.allocate();
const childUsageInts = new Int32Array(childUsage.bytes.buffer);
const childInfoInts = new Int32Array(childInfo.bytes.buffer);
const { si_pid, si_code, si_status } = siginfoChild.ints;
const at = rusage.ints;
const pidfdInfo = pidfdInfoVer1.allocate();

const PR_SET_CHILD_SUBREAPER = 36;

/** Whether a pidfd stands for a thread: PIDFD_THREAD is a flag of its open file. */
export function isThreadPidfd(pidfd: number): boolean {
  return (statusFlags(pidfd) & PIDFD_THREAD) !== 0;
}

/** The caller's own PID, in its own PID namespace. */
export function getpid(): number {
  return libc().getpid();
}

/** Whether a user ID is this program's real, effective and saved one. getresuid(2) */
export function isOwnUser(uid: number): boolean {
  const ids = [userId.allocate(), userId.allocate(), userId.allocate()] as const;
  const [real, effective, saved] = ids;
  const { getresuid } = libc();
  check("getresuid", attempt(() => getresuid(real.bytes, effective.bytes, saved.bytes)));
  return ids.every(({ fields }) => fields.value === uid);
}

/** The user and the group that this program acts as. geteuid(2), getegid(2) */
export function effectiveIds(): { uid: number; gid: number } {
  return { uid: libc().geteuid(), gid: libc().getegid() };
}

/** A pidfd for a process, or for a thread with PIDFD_THREAD. pidfd_open(2) */
export function pidfdOpen(pid: number, flags: number, hints?: Hints): number {
  const result = attempt(() => libc().syscall_pidfd_open(NR_pidfd_open, pid, flags));
  if (result >= 0) return result;
  const wrongKind = flags === PIDFD_THREAD
    ? "pidfds for threads need Linux 6.9"
    : `${pid} is a thread's ID, not a process's: { thread: true } is for those, from Linux 6.9 on`;
  throw failure("pidfd_open", -result, {
    [Errno.ESRCH]: `there is no process ${pid}`,
    // Before Linux 6.15 EINVAL, from then on ENOENT.
    [Errno.EINVAL]: wrongKind,
    [Errno.ENOENT]: wrongKind,
    [Errno.EPERM]: "a sandbox, such as a container's seccomp filter, forbids pidfd_open",
    ...hints,
  });
}

/** Sends a signal; 0 only checks whether one could be sent. pidfd_send_signal(2) */
export function pidfdSendSignal(
  pidfd: number,
  signal: number,
  flags: number,
  value?: number,
): void {
  const result = trySendSignal(pidfd, signal, flags, value);
  if (result < 0) {
    throw failure("pidfd_send_signal", -result, {
      [Errno.ESRCH]: "the process was reaped",
      [Errno.EPERM]: "the process belongs to another user",
      [Errno.EINVAL]:
        "the process is not in this PID namespace or one below, or has no such target",
    });
  }
}

/** As pidfdSendSignal, but returns 0 or −errno. */
export function trySendSignal(
  pidfd: number,
  signal: number,
  flags: number,
  value?: number,
): number {
  const info = value === undefined ? null : siginfoQueue.encode({
    si_signo: signal,
    si_code: SI_QUEUE,
    si_pid: getpid(),
    si_uid: libc().getuid(),
    si_int: value,
  });
  return outcome(
    libc().syscall_pidfd_send_signal(NR_pidfd_send_signal, pidfd, signal, info, flags),
  );
}

/** A duplicate of another process's fd, close-on-exec. pidfd_getfd(2) */
export function pidfdGetfd(pidfd: number, targetFd: number): number {
  const result = tryGetfd(pidfd, targetFd);
  // Before Linux 6.9 the call fails with EBADF for a zombie, which has no open files.
  const isGone = result === -Errno.EBADF && hasExited(pidfd);
  return check("pidfd_getfd", isGone ? -Errno.ESRCH : result, {
    [Errno.ESRCH]: "the process ended",
    [Errno.EBADF]: `the process has no file descriptor ${targetFd}`,
    [Errno.EPERM]: "this needs the right to ptrace the process (PTRACE_MODE_ATTACH_REALCREDS)",
  });
}

/** As pidfdGetfd, but returns the fd or −errno. */
export function tryGetfd(pidfd: number, targetFd: number): number {
  return attempt(() => libc().syscall_pidfd_getfd(NR_pidfd_getfd, pidfd, targetFd, 0));
}

/**
 * A pidfd for the process with an id, or −errno. ESTALE: the process was reaped, or never existed.
 * open_by_handle_at(2)
 *
 * @param pidfd Any pidfd: it selects pidfs as the file system.
 */
export function openById(pidfd: number, id: bigint): number {
  const handle = pidfsHandle.encode({
    handle_bytes: u64.size,
    handle_type: FILEID_KERNFS,
    f_handle: id,
  });
  return attempt(() => libc().open_by_handle_at(pidfd, handle, O_CLOEXEC));
}

/** The result of waitid: the state of a child, or "no child" if it is none (any more). */
export type ChildLook =
  | { readonly state: "running" }
  | { readonly state: "no child" }
  | { readonly state: "exited"; readonly exit: ChildExit };

/** The fields of `struct rusage` that Linux fills. */
type Usage = Omit<
  typeof childUsage.fields,
  "ru_ixrss" | "ru_idrss" | "ru_isrss" | "ru_nswap" | "ru_msgsnd" | "ru_msgrcv" | "ru_nsignals"
>;

/** How a child ended, in waitid's terms. */
export interface ChildExit {
  /** `si_code` */
  code: number;
  /** `si_status` */
  status: number;
  /** The resource usage of the child and of the descendants that it has waited for. */
  usage: Usage;
}

const RUNNING: ChildLook = { state: "running" };
const NO_CHILD: ChildLook = { state: "no child" };

/**
 * Whether our child has ended; it never blocks. waitid(2)
 *
 * @param reap Whether to reap the zombie.
 */
export function waitidPidfd(pidfd: number, reap: boolean): ChildLook {
  const options = WEXITED | WNOHANG | (reap ? 0 : WNOWAIT);
  const number = NR_waitid[arch()];
  const { bytes } = childInfo;
  const result = outcome(
    libc().syscall_waitid(number, P_PIDFD, pidfd, bytes, options, childUsage.bytes),
  );
  if (result === -Errno.ECHILD) return NO_CHILD;
  if (result < 0) {
    throw failure("waitid", -result, { [Errno.EINVAL]: "waiting on a pidfd needs Linux 5.4" });
  }
  // With WNOHANG and nothing to report, Linux fills in zeros (kernel/exit.c, waitid).
  if (childInfoInts[si_pid] === 0) return RUNNING;
  const exit = {
    code: childInfoInts[si_code],
    status: childInfoInts[si_status],
    usage: {
      utime_sec: usageWord(at.utime_sec),
      utime_usec: usageWord(at.utime_usec),
      stime_sec: usageWord(at.stime_sec),
      stime_usec: usageWord(at.stime_usec),
      ru_maxrss: usageWord(at.ru_maxrss),
      ru_minflt: usageWord(at.ru_minflt),
      ru_majflt: usageWord(at.ru_majflt),
      ru_inblock: usageWord(at.ru_inblock),
      ru_oublock: usageWord(at.ru_oublock),
      ru_nvcsw: usageWord(at.ru_nvcsw),
      ru_nivcsw: usageWord(at.ru_nivcsw),
    },
  };
  return { state: "exited", exit };
}

/** A 64-bit word of the usage. Both architectures are little-endian. */
function usageWord(index: number): number {
  return childUsageInts[index + 1] * 2 ** 32 + (childUsageInts[index] >>> 0);
}

/**
 * The PID of a zombie child of this program, which is not reaped; null if no child has ended;
 * `"ECHILD"` if there is no child at all. waitid(2), P_ALL
 */
export function peekEndedChild(): number | null | "ECHILD" {
  const options = WEXITED | WNOHANG | WNOWAIT;
  const number = NR_waitid[arch()];
  const result = attempt(() =>
    libc().syscall_waitid(number, P_ALL, 0, childInfo.bytes, options, childUsage.bytes)
  );
  if (result === -Errno.ECHILD) return "ECHILD";
  check("waitid", result);
  return childInfoInts[si_pid] === 0 ? null : childInfoInts[si_pid];
}

/**
 * Reads facts about the process behind a pidfd. The result is 0 or −errno. `info` is valid only
 * until the next call, which overwrites it. ioctl_pidfd(2), PIDFD_GET_INFO
 */
export function pidfdGetInfo(
  pidfd: number,
  mask: bigint,
): { result: number; info: typeof pidfdInfo.fields } {
  pidfdInfo.fields.mask = mask;
  const result = attempt(() => libc().ioctl(pidfd, PIDFD_GET_INFO, pidfdInfo.bytes));
  return { result, info: pidfdInfo.fields };
}

/** The struct that `pidfdGetInfo` fills. */
export type PidfdInfo = typeof pidfdInfo.fields;

/** Whether the process dumps or has dumped core; ask with PIDFD_INFO_COREDUMP. */
export function hasDumped({ mask, coredump_mask }: PidfdInfo): boolean {
  return (mask & PIDFD_INFO_COREDUMP) !== 0n && (coredump_mask & PIDFD_COREDUMPED) !== 0;
}

/**
 * The mask of the facts that the kernel supports; 0 before Linux 6.19, which brought
 * PIDFD_INFO_SUPPORTED_MASK.
 */
export function pidfdSupportedInfo(pidfd: number): bigint {
  const { bytes, fields } = pidfdInfoVer3.allocate();
  fields.mask = PIDFD_INFO_SUPPORTED_MASK;
  const result = attempt(() => libc().ioctl(pidfd, infoRequest(bytes.length), bytes));
  if (result < 0 || (fields.mask & PIDFD_INFO_SUPPORTED_MASK) === 0n) return 0n;
  // On kernels with the shorter struct, the field has another offset, and ours stays 0.
  return fields.supported_mask || pidfdInfoVer2.decode(bytes).supported_mask;
}

/** An fd of one of the process's namespaces, or −errno. ioctl_pidfd(2), `PIDFD_GET_*_NAMESPACE` */
export function pidfdGetNamespace(pidfd: number, number: number): number {
  const request = (PIDFS_IOCTL_MAGIC << 8) | number;
  return attempt(() => libc().ioctl(pidfd, request, null));
}

/** Moves the calling thread into namespaces; returns 0 or −errno. setns(2) */
export function setns(fd: number, types: number): number {
  return attempt(() => libc().setns(fd, types));
}

/** Sets whether orphaned descendants become children of this program. prctl(2) */
export function setChildSubreaper(on: boolean): void {
  check("prctl", attempt(() => libc().prctl(PR_SET_CHILD_SUBREAPER, on ? 1n : 0n)));
}

/**
 * Blocks this thread until the fd has one of the events, and returns its events; 0 if the deadline
 * came first. EPOLLHUP always counts. poll(2)
 *
 * @param deadline In `performance.now()` time; 0 to only look; Infinity for none.
 */
export function poll(fd: number, events: number, deadline: number): number {
  polled.fields.fd = fd;
  polled.fields.events = events;
  for (;;) {
    const ready = check("poll", attempt(() => libc().poll(polled.bytes, 1n, remaining(deadline))));
    if (ready > 0) return polled.fields.revents;
    if (deadline === 0 || performance.now() >= deadline) return 0;
  }
}

/**
 * Blocks this thread until one of several fds has one of its events, and returns the events of each
 * fd; null if the deadline came first. poll(2)
 *
 * @param deadline As for `poll`.
 */
export function pollAll(
  wanted: readonly { readonly fd: number; readonly events: number }[],
  deadline: number,
): readonly number[] | null {
  const { bytes, blocks } = pollfd.allocateArray(wanted.length);
  wanted.forEach((entry, i) => Object.assign(blocks[i].fields, entry));
  const count = BigInt(wanted.length);
  for (;;) {
    const wait = () => libc().poll(bytes, count, remaining(deadline));
    if (check("poll", attempt(wait)) > 0) return blocks.map(({ fields }) => fields.revents);
    if (deadline === 0 || performance.now() >= deadline) return null;
  }
}

/** Whether the process behind a pidfd ended, reaped or not. */
export function hasExited(pidfd: number): boolean {
  return poll(pidfd, EPOLLIN, 0) !== 0;
}

/** The timeout for poll(2) until a deadline. It is cut to the longest that poll takes. */
export function remaining(deadline: number): number {
  if (deadline === 0) return 0;
  if (deadline === Infinity) return -1;
  return Math.min(Math.max(Math.ceil(deadline - performance.now()), 0), 2 ** 31 - 1);
}

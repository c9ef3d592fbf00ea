/**
 * What each kernel call that the library makes can fail with: the ERRORS of its man page, and
 * what the man pages of the things that it is used on add to them (proc(5), unix(7), pidfds).
 *
 * @module
 */

import type { ErrnoName } from "../../../ffi/errno.ts";

/** What can be wrong with the path of a file, and with looking it up. */
const PATH: readonly ErrnoName[] = [
  ...["EACCES", "EBADF", "EFAULT", "EINVAL", "EIO"] as const,
  ...["ELOOP", "ENAMETOOLONG", "ENOENT", "ENOMEM", "ENOTDIR"] as const,
];

/** What a call on /proc/PID says of a process that was reaped. */
const REAPED: ErrnoName = "ESRCH";

const POLL: readonly ErrnoName[] = ["EFAULT", "EINVAL", "ENOMEM"];
const ACCESS: readonly ErrnoName[] = [...PATH, "EPERM", "EROFS", "ETXTBSY"];
const CLONE: readonly ErrnoName[] = [
  ...["EACCES", "EAGAIN", "EBUSY", "EEXIST", "ENOMEM", "ENOSPC", "EOPNOTSUPP", "EUSERS"] as const,
  // By these clone3 says that it isn't there, and nobody calls it again.
  ...["EINVAL", "EPERM"] as const,
];
const DUPLICATE: readonly ErrnoName[] = ["EBADF", "EBUSY", "EINVAL", "EMFILE"];
const SEND: readonly ErrnoName[] = [
  ...["EACCES", "EAGAIN", "EALREADY", "EBADF", "ECONNRESET", "EDESTADDRREQ", "EFAULT"] as const,
  ...["EINVAL", "EISCONN", "EMSGSIZE", "ENOBUFS", "ENOMEM", "ENOTCONN", "ENOTSOCK"] as const,
  ...["EOPNOTSUPP", "EPERM", "EPIPE"] as const,
];
const UNLINK: readonly ErrnoName[] = [...PATH, "EBUSY", "EISDIR", "EPERM", "EROFS"];

/** The errors of each call, by its name in the kernel. Of EINTR and ENOSYS all are capable. */
export const ERRORS: Readonly<Record<string, readonly ErrnoName[]>> = {
  accept4: [
    ...["EAGAIN", "EBADF", "ECONNABORTED", "EFAULT", "EINVAL", "EMFILE", "ENFILE"] as const,
    ...["ENOBUFS", "ENOMEM", "ENOTSOCK", "EOPNOTSUPP", "EPERM", "EPROTO"] as const,
  ],
  bind: [...PATH, "EADDRINUSE", "EADDRNOTAVAIL", "ENOTSOCK", "EROFS"],
  chdir: [...PATH, "EPERM"],
  clone: CLONE,
  clone3: CLONE,
  close: ["EBADF", "EDQUOT", "EIO", "ENOSPC"],
  close_range: ["EINVAL", "EMFILE", "ENOMEM"],
  connect: [
    ...["EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EAGAIN", "EALREADY"] as const,
    ...["EBADF", "ECONNREFUSED", "EFAULT", "EINPROGRESS", "EISCONN", "ENETUNREACH"] as const,
    ...["ENOENT", "ENOTSOCK", "EPERM", "EPROTOTYPE", "ETIMEDOUT"] as const,
  ],
  dup3: DUPLICATE,
  epoll_create1: ["EINVAL", "EMFILE", "ENFILE", "ENOMEM"],
  epoll_ctl: ["EBADF", "EEXIST", "EINVAL", "ELOOP", "ENOENT", "ENOMEM", "ENOSPC", "EPERM"],
  epoll_wait: ["EBADF", "EFAULT", "EINVAL"],
  eventfd2: ["EINVAL", "EMFILE", "ENFILE", "ENODEV", "ENOMEM"],
  execve: [
    ...PATH,
    ...["E2BIG", "EAGAIN", "EISDIR", "ELIBBAD", "EMFILE", "ENFILE", "ENOEXEC", "EPERM"] as const,
    "ETXTBSY",
  ],
  access: ACCESS,
  faccessat: ACCESS,
  // Of locks and notifications, which have further errors, nothing is asked.
  fcntl: ["EBADF", "EBUSY", "EFAULT", "EINVAL", "EMFILE", "EPERM"],
  fchown: ["EBADF", "EINVAL", "EIO", "ENOENT", "EPERM", "EROFS"],
  fstatfs: ["EBADF", "EFAULT", "EIO", "ENOMEM", "EOVERFLOW"],
  getdents64: ["EBADF", "EFAULT", "EINVAL", "ENOENT", "ENOTDIR", REAPED],
  getppid: [],
  getsockopt: [
    ...["EBADF", "EFAULT", "EINVAL", "ENOPROTOOPT", "ENOTSOCK"] as const,
    // SO_PEERPIDFD makes a pidfd.
    ...["ENODATA", "ESRCH", "EMFILE", "ENFILE", "ENOMEM"] as const,
  ],
  ioctl: [
    ...["EBADF", "EFAULT", "EINVAL", "ENOTTY"] as const,
    // On a pidfd: what is in the way of asking, of the process, and of a new fd.
    ...["EPERM", "EACCES", "ESRCH", "EREMOTE", "EMFILE", "ENFILE", "ENOMEM"] as const,
    // On a terminal.
    ...["EIO", "ENODEV"] as const,
  ],
  listen: ["EADDRINUSE", "EBADF", "ENOTSOCK", "EOPNOTSUPP"],
  mkdirat: [...PATH, "EDQUOT", "EEXIST", "EMLINK", "ENOSPC", "EPERM", "EROFS"],
  open_by_handle_at: [
    ...["EBADF", "EFAULT", "EINVAL", "ELOOP", "EMFILE", "ENFILE", "ENOENT", "ENOMEM"] as const,
    ...["ENOTDIR", "EOPNOTSUPP", "EOVERFLOW", "EPERM", "ESTALE"] as const,
  ],
  openat: [
    ...PATH,
    ...["EBUSY", "EDQUOT", "EEXIST", "EFBIG", "EISDIR", "EMFILE", "ENFILE", "ENODEV"] as const,
    ...["ENOSPC", "ENXIO", "EOPNOTSUPP", "EOVERFLOW", "EPERM", "EROFS", "ETXTBSY", REAPED] as const,
  ],
  pidfd_getfd: ["EBADF", "EINVAL", "EMFILE", "ENFILE", "EPERM", "ESRCH"],
  pidfd_open: ["EINVAL", "EMFILE", "ENFILE", "ENODEV", "ENOENT", "ENOMEM", "EPERM", "ESRCH"],
  pidfd_send_signal: ["EAGAIN", "EBADF", "EINVAL", "EPERM", "ESRCH"],
  pipe2: ["EFAULT", "EINVAL", "EMFILE", "ENFILE"],
  poll: POLL,
  ppoll: POLL,
  prctl: ["EACCES", "EFAULT", "EINVAL", "EPERM"],
  prlimit64: ["EFAULT", "EINVAL", "EPERM", "ESRCH"],
  process_vm_readv: ["EFAULT", "EINVAL", "ENOMEM", "EPERM", "ESRCH"],
  read: ["EAGAIN", "EBADF", "EFAULT", "EINVAL", "EIO", "EISDIR", REAPED],
  readlinkat: [...PATH, REAPED],
  recvmsg: [
    ...["EAGAIN", "EBADF", "ECONNREFUSED", "ECONNRESET", "EFAULT", "EINVAL", "ENOMEM"] as const,
    ...["ENOTCONN", "ENOTSOCK"] as const,
  ],
  rt_sigaction: ["EFAULT", "EINVAL"],
  sendmsg: [...SEND, "ETOOMANYREFS"],
  sendto: SEND,
  setgroups: ["EFAULT", "EINVAL", "ENOMEM", "EPERM"],
  setpriority: ["EACCES", "EINVAL", "EPERM", "ESRCH"],
  setresgid: ["EINVAL", "EPERM"],
  setresuid: ["EAGAIN", "EINVAL", "EPERM"],
  setpgid: ["EACCES", "EINVAL", "EPERM", "ESRCH"],
  setsid: ["EPERM"],
  setns: ["EBADF", "EINVAL", "ENOMEM", "EPERM", "ESRCH", "EUSERS"],
  setsockopt: ["EBADF", "EFAULT", "EINVAL", "ENOPROTOOPT", "ENOTSOCK"],
  shutdown: ["EBADF", "EINVAL", "ENOTCONN", "ENOTSOCK"],
  socket: [
    ...["EACCES", "EAFNOSUPPORT", "EINVAL", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"] as const,
    "EPROTONOSUPPORT",
  ],
  socketpair: ["EAFNOSUPPORT", "EFAULT", "EMFILE", "ENFILE", "EOPNOTSUPP", "EPROTONOSUPPORT"],
  statx: PATH,
  umask: [],
  unlink: UNLINK,
  unlinkat: UNLINK,
  waitid: ["EAGAIN", "ECHILD", "EINVAL", "ESRCH"],
  write: [
    ...["EAGAIN", "EBADF", "EDESTADDRREQ", "EDQUOT", "EFAULT", "EFBIG", "EINVAL", "EIO"] as const,
    ...["ENOSPC", "EPERM", "EPIPE"] as const,
  ],
};

/**
 * The calls that a child makes until it executes its program, and that its parent doesn't make to
 * start it. What both make (close, fcntl, rt_sigaction) can't fail for the child alone.
 */
export const CHILD_CALLS: ReadonlySet<string> = new Set([
  ...[
    "chdir",
    "close_range",
    "dup3",
    "execve",
    "fchown",
    "getppid",
    "prlimit64",
    "setgroups",
    "setpgid",
  ],
  ...["prctl", "setpriority", "setresgid", "setresuid", "setsid", "umask"],
]);

/** What is no call of the library's, or can't fail. */
export const NOT_OURS: ReadonlySet<string> = new Set([
  ...["brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "pkey_mprotect"],
  ...["futex", "sched_yield", "clock_nanosleep", "restart_syscall"],
  // By libc, for a new thread of Deno's.
  ...["sched_getaffinity", "sched_getparam", "sched_getscheduler"],
  // System calls only where the clock is none that a program can read by itself.
  ...["clock_gettime", "gettimeofday"],
  // Deno's event loop waits in these; the library's own wait is on another thread.
  ...["epoll_wait", "epoll_pwait"],
  // Deno's own children.
  ...["kill", "wait4"],
  ...["getpid", "gettid", "getresuid", "getuid", "rt_sigprocmask", "rt_sigreturn"],
]);

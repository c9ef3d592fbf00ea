/**
 * The way into the kernel: the table of libc's functions that the library calls,
 * and the one place that opens libc and reads errno.
 *
 * Facts that this file rests on (measured with Deno 2.9.6):
 * - A bare `libc.so.6` is opened through the loader's search path, which needs the
 *   whole of `--allow-ffi`. Under `--allow-ffi=PATH` only PATH itself can be opened.
 * - Under `--allow-ffi=PATH` Deno also refuses to read through pointers
 *   (`Deno.UnsafePointerView`, `Deno.UnsafePointer.of`), but not to call functions
 *   with them: so memory behind a pointer is fetched by libc's own memcpy.
 * - errno belongs to the thread. After a synchronous call it is this thread's own;
 *   after a nonblocking call it is another thread's and must not be read.
 * - The kernel takes `int` and `unsigned` arguments from the lower half of a
 *   register, so syscall(2) may be declared with 32-bit parameters, which V8 passes
 *   without a BigInt. Sizes and offsets are 64 bits wide and declared so.
 *
 * @module
 */

import { UnsupportedError } from "./errors.ts";

/** Every function with its C declaration, a parameter a line where there are any. */
const SYMBOLS = {
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
  // void *memcpy(void *dest, const void *src, size_t n);
  memcpy: {
    parameters: [
      "buffer", // void *dest
      "pointer", // const void *src
      "usize", // size_t n
    ],
    result: "pointer",
  },
  // char *strerror(int errnum);
  strerror: {
    parameters: ["i32"], // int errnum
    result: "pointer",
  },
  // size_t strnlen(const char *s, size_t maxlen);
  strnlen: {
    parameters: [
      "pointer", // const char *s
      "usize", // size_t maxlen
    ],
    result: "usize",
  },

  // pid_t getpid(void);
  getpid: { parameters: [], result: "i32" },
  // uid_t getuid(void);
  getuid: { parameters: [], result: "u32" },
  // int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options);
  waitid: {
    parameters: [
      "i32", // idtype_t idtype
      "i32", // id_t id
      "buffer", // siginfo_t *infop
      "i32", // int options
    ],
    result: "i32",
  },
  // int setns(int fd, int nstype);
  setns: {
    parameters: [
      "i32", // int fd
      "i32", // int nstype
    ],
    result: "i32",
  },

  // int ioctl(int fd, unsigned long op, ...);
  ioctl: {
    parameters: [
      "i32", // int fd
      "u32", // unsigned long op: the kernel takes an unsigned int
      "buffer", // void *argp, or NULL
    ],
    result: "i32",
  },
  // int fcntl(int fd, int op, ... /* int arg */);
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int op
      "i32", // int arg
    ],
    result: "i32",
  },
  // int openat(int dirfd, const char *path, int flags, ...);
  openat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *path
      "i32", // int flags
    ],
    result: "i32",
  },
  // int close(int fd);
  close: {
    parameters: ["i32"], // int fd
    result: "i32",
  },
  // ssize_t read(int fd, void *buf, size_t count);
  read: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  // ssize_t write(int fd, const void *buf, size_t count);
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  // ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t bufsiz);
  readlinkat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *path
      "buffer", // char *buf
      "usize", // size_t bufsiz
    ],
    result: "isize",
  },
  // int fstatfs(int fd, struct statfs *buf);
  fstatfs: {
    parameters: [
      "i32", // int fd
      "buffer", // struct statfs *buf
    ],
    result: "i32",
  },

  // int poll(struct pollfd *fds, nfds_t nfds, int timeout);
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "usize", // nfds_t nfds
      "i32", // int timeout, ms
    ],
    result: "i32",
  },
  // int eventfd(unsigned int initval, int flags);
  eventfd: {
    parameters: [
      "u32", // unsigned int initval
      "i32", // int flags
    ],
    result: "i32",
  },
  // int epoll_create1(int flags);
  epoll_create1: {
    parameters: ["i32"], // int flags
    result: "i32",
  },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
  epoll_ctl: {
    parameters: [
      "i32", // int epfd
      "i32", // int op
      "i32", // int fd
      "buffer", // struct epoll_event *event
    ],
    result: "i32",
  },
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);
  epoll_wait: {
    parameters: [
      "i32", // int epfd
      "buffer", // struct epoll_event *events
      "i32", // int maxevents
      "i32", // int timeout, ms
    ],
    result: "i32",
  },
  // The same call, parked on a thread of its own until there are events.
  epoll_wait_parked: {
    name: "epoll_wait",
    parameters: [
      "i32", // int epfd
      "buffer", // struct epoll_event *events
      "i32", // int maxevents
      "i32", // int timeout, ms
    ],
    result: "i32",
    nonblocking: true,
  },

  // long syscall(long number, ...): one row for each shape of arguments.
  // pidfd_open(pid_t pid, unsigned int flags)
  syscall_pidfd_open: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // pid_t pid
      "u32", // unsigned int flags
    ],
    result: "i32",
  },
  // pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)
  syscall_pidfd_send_signal: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int pidfd
      "i32", // int sig
      "buffer", // siginfo_t *info, or NULL
      "u32", // unsigned int flags
    ],
    result: "i32",
  },
  // pidfd_getfd(int pidfd, int targetfd, unsigned int flags)
  syscall_pidfd_getfd: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int pidfd
      "i32", // int targetfd
      "u32", // unsigned int flags
    ],
    result: "i32",
  },
  // statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *buf)
  syscall_statx: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int dirfd
      "buffer", // const char *path
      "i32", // int flags
      "u32", // unsigned int mask
      "buffer", // struct statx *buf
    ],
    result: "i32",
  },
  // getdents64(int fd, void *dirp, unsigned int count)
  syscall_getdents64: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int fd
      "buffer", // void *dirp
      "u32", // unsigned int count
    ],
    result: "i32",
  },
} as const;

/** libc's functions, by the names of the table above. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The architectures that both Deno and this library run on under Linux. */
export type Arch = "x86_64" | "aarch64";

/** Where distributions keep libc, by architecture. */
const LIBC_FOLDERS: Record<Arch, string[]> = {
  x86_64: ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"],
  aarch64: ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64"],
};
const LIBC_NAME = "libc.so.6";

let opened: Libc | undefined;
let errnoLocation: Deno.PointerObject;

/**
 * libc, opened at first use. It stays open to the program's end: functions of a
 * closed library must not be called, and a wait can be parked in one at any time.
 */
export function libc(): Libc {
  return opened ??= open();
}

/** The architecture, once it is known to be one that we have numbers for. */
export function arch(): Arch {
  const { os, arch } = Deno.build;
  if (os !== "linux") throw new UnsupportedError("pidfd", "Linux 5.4", `this is ${os}`);
  if (arch !== "x86_64" && arch !== "aarch64") {
    throw new UnsupportedError("this architecture", "x86_64 or aarch64", `this is ${arch}`);
  }
  return arch;
}

/** errno of the last synchronous call. Right only directly behind it. */
export function lastErrno(): number {
  const bytes = new Uint8Array(new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  libc().memcpy(bytes, errnoLocation, BigInt(bytes.length));
  return new DataView(bytes.buffer).getInt32(0, true);
}

/** libc's words for an error: "No such process". */
export function describeErrno(errno: number): string {
  const text = libc().strerror(errno);
  const bytes = new Uint8Array(Number(libc().strnlen(text, 256n)));
  libc().memcpy(bytes, text, BigInt(bytes.length));
  return new TextDecoder().decode(bytes);
}

function open(): Libc {
  const paths = LIBC_FOLDERS[arch()].map((folder) => `${folder}/${LIBC_NAME}`);
  try {
    const { symbols } = Deno.dlopen(pathToOpen(paths), SYMBOLS);
    errnoLocation = symbols.__errno_location()!;
    return symbols;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new Deno.errors.NotCapable(
        `pidfds are reached through libc: run with --allow-ffi, or with --allow-ffi=${paths[0]} ` +
          "(the path of this system's libc) for no other library",
        { cause },
      );
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnsupportedError(LIBC_NAME, "a Linux with the GNU C library", reason);
  }
}

/**
 * The name to open: asking never prompts, opening without a permission does, so the
 * permissions decide which name is tried.
 */
function pathToOpen(paths: string[]): string {
  const granted = (path?: string) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  if (granted()) return LIBC_NAME;
  return paths.find(granted) ?? LIBC_NAME;
}

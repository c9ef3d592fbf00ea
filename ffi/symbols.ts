/**
 * The main table of libc's functions. Rarely used ones have tables of their own (`libcWith`).
 *
 * The kernel takes `int` and `unsigned` arguments from the lower half of a register. So syscall(2)
 * is declared with 32-bit parameters, which V8 passes without a BigInt. Sizes and offsets are 64
 * bits wide and declared so. A result of type `ssize_t` is declared with 32 bits: no call moves
 * more than 2 GiB at a time (read(2)). A BigInt would have to be allocated, and that can change
 * errno before it is read.
 *
 * @module
 */

/** Every function with its C declaration, a parameter a line. */
export const SYMBOLS = {
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
  // The same function, with the source as a number.
  memcpy_from_address: {
    name: "memcpy",
    parameters: [
      "buffer", // void *dest
      "usize", // const void *src
      "usize", // size_t n
    ],
    result: "pointer",
  },
  // The same function, for its result: the address of `dest`.
  memcpy_address: {
    name: "memcpy",
    parameters: [
      "buffer", // void *dest
      "buffer", // const void *src
      "usize", // size_t n
    ],
    result: "usize",
  },
  // char *strerror(int errnum);
  strerror: {
    parameters: ["i32"], // int errnum
    result: "usize", // the address
  },
  // size_t strnlen(const char *s, size_t maxlen);
  strnlen: {
    parameters: [
      "usize", // const char *s, as an address
      "usize", // size_t maxlen
    ],
    result: "usize",
  },

  // pid_t getpid(void);
  getpid: { parameters: [], result: "i32" },
  // uid_t getuid(void);
  getuid: { parameters: [], result: "u32" },
  // uid_t geteuid(void);
  geteuid: { parameters: [], result: "u32" },
  // gid_t getegid(void);
  getegid: { parameters: [], result: "u32" },
  // int getresuid(uid_t *ruid, uid_t *euid, uid_t *suid);
  getresuid: {
    parameters: [
      "buffer", // uid_t *ruid
      "buffer", // uid_t *euid
      "buffer", // uid_t *suid
    ],
    result: "i32",
  },
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
  // int prctl(int op, ... /* unsigned long arg2 */);
  prctl: {
    parameters: [
      "i32", // int op
      "usize", // unsigned long arg2
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
  // int ioctl(int fd, unsigned long op, ...);
  ioctl_number: {
    name: "ioctl",
    parameters: [
      "i32", // int fd
      "u32", // unsigned long op
      "usize", // unsigned long arg
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
  // int openat(int dirfd, const char *path, int flags, ... /* mode_t mode */);
  openat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *path
      "i32", // int flags
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  // int access(const char *path, int mode);
  access: {
    parameters: [
      "buffer", // const char *path
      "i32", // int mode
    ],
    result: "i32",
  },
  // int pipe2(int pipefd[2], int flags);
  pipe2: {
    parameters: [
      "buffer", // int pipefd[2]
      "i32", // int flags
    ],
    result: "i32",
  },
  // char **environ;
  environ: { type: "pointer" },
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
    result: "i32",
  },
  // ssize_t write(int fd, const void *buf, size_t count);
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "i32",
  },
  // int unlink(const char *path);
  unlink: {
    parameters: ["buffer"], // const char *path
    result: "i32",
  },
  // ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t bufsiz);
  readlinkat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *path
      "buffer", // char *buf
      "usize", // size_t bufsiz
    ],
    result: "i32",
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
  // The same call on another thread, which it occupies until there are events.
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
  // waitid(int which, pid_t upid, struct siginfo *infop, int options, struct rusage *ru)
  syscall_waitid: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int which
      "i32", // pid_t upid
      "buffer", // struct siginfo *infop
      "i32", // int options
      "buffer", // struct rusage *ru
    ],
    result: "i32",
  },
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
  // int open_by_handle_at(int mount_fd, struct file_handle *handle, int flags);
  open_by_handle_at: {
    parameters: [
      "i32", // int mount_fd
      "buffer", // struct file_handle *handle
      "i32", // int flags
    ],
    result: "i32",
  },
} as const;

/**
 * How every struct of the library has to be laid out, by the kernel's and libc's headers.
 *
 * @module
 */

import type { Fields, Struct } from "../../structs/codec.ts";
import { direntHead } from "../../structs/dirent.ts";
import { epollEventOn } from "../../structs/epoll_event.ts";
import { pidfsHandle } from "../../structs/file_handle.ts";
import {
  pidfdInfoVer0,
  pidfdInfoVer1,
  pidfdInfoVer2,
  pidfdInfoVer3,
} from "../../structs/pidfd_info.ts";
import {
  cloneArgs,
  job,
  kernelSigaction,
  outcome,
  outInt,
  rlimit64,
  step,
} from "../../structs/launch.ts";
import { namespaceId } from "../../structs/namespace.ts";
import { group, passwd } from "../../structs/passwd.ts";
import { pipeEnds } from "../../structs/pipe.ts";
import { pollfd } from "../../structs/pollfd.ts";
import { rusage } from "../../structs/rusage.ts";
import { siginfoChild, siginfoQueue } from "../../structs/siginfo.ts";
import { cmsghdr, intValue, iovec, msghdr, sockaddrUn, ucred } from "../../structs/socket.ts";
import { statfs, statx } from "../../structs/stat.ts";
import { kernelTermios, winsize } from "../../structs/terminal.ts";
import { userId } from "../../structs/user_id.ts";

/** What a struct has to look like. Unless `arch` says otherwise, on both architectures. */
export interface Layout {
  readonly type: Struct<Fields>;
  readonly size: number;
  readonly align: number;
  readonly offsets: Readonly<Record<string, number>>;
  /** Its name in C. */
  readonly c: string;
  /** The header that has it. */
  readonly header: string;
  /** Makes a C type that can be compared, of one that is no struct there or in no header. */
  readonly declaration?: string;
  /** The fields that C calls otherwise; null for those that it doesn't know. */
  readonly members?: Readonly<Record<string, string | null>>;
  readonly arch?: typeof Deno.build.arch;
  /** For one version of a struct that grew: the macros that tell what a header has of it. */
  readonly macros?: {
    /** Its size, where the header has this version or a later one. */
    readonly size: string;
    /** What comes with some of its fields. */
    readonly fields: Readonly<Record<string, string>>;
    /** What comes with the version in which some fields have another place. */
    readonly moved?: Readonly<Record<string, string>>;
  };
}

const pidfdInfoVer0Offsets = {
  mask: 0,
  cgroupid: 8,
  pid: 16,
  tgid: 20,
  ppid: 24,
  ruid: 28,
  rgid: 32,
  euid: 36,
  egid: 40,
  suid: 44,
  sgid: 48,
  fsuid: 52,
  fsgid: 56,
  exit_code: 60,
};
const pidfdInfoVer1Offsets = { ...pidfdInfoVer0Offsets, coredump_mask: 64, coredump_signal: 68 };
const pidfdInfo = {
  align: 8,
  c: "struct pidfd_info",
  header: "linux/pidfd.h",
};
const pidfdInfoFields = {
  coredump_mask: "PIDFD_INFO_COREDUMP",
  coredump_signal: "PIDFD_INFO_COREDUMP_SIGNAL",
  coredump_code: "PIDFD_INFO_COREDUMP_CODE",
  coredump_pad: "PIDFD_INFO_COREDUMP_CODE",
  supported_mask: "PIDFD_INFO_SUPPORTED_MASK",
};

export const LAYOUTS: Readonly<Record<string, Layout>> = {
  rusage: {
    type: rusage,
    size: 144,
    align: 8,
    offsets: {
      utime_sec: 0,
      utime_usec: 8,
      stime_sec: 16,
      stime_usec: 24,
      ru_maxrss: 32,
      ru_ixrss: 40,
      ru_idrss: 48,
      ru_isrss: 56,
      ru_minflt: 64,
      ru_majflt: 72,
      ru_nswap: 80,
      ru_inblock: 88,
      ru_oublock: 96,
      ru_msgsnd: 104,
      ru_msgrcv: 112,
      ru_nsignals: 120,
      ru_nvcsw: 128,
      ru_nivcsw: 136,
    },
    c: "struct rusage",
    header: "sys/resource.h",
    members: {
      utime_sec: "ru_utime.tv_sec",
      utime_usec: "ru_utime.tv_usec",
      stime_sec: "ru_stime.tv_sec",
      stime_usec: "ru_stime.tv_usec",
    },
  },
  siginfoChild: {
    type: siginfoChild,
    size: 128,
    align: 8,
    offsets: {
      si_signo: 0,
      si_errno: 4,
      si_code: 8,
      si_pid: 16,
      si_uid: 20,
      si_status: 24,
      si_utime: 32,
      si_stime: 40,
    },
    c: "siginfo_t",
    header: "signal.h",
  },
  siginfoQueue: {
    type: siginfoQueue,
    size: 128,
    align: 8,
    offsets: { si_signo: 0, si_errno: 4, si_code: 8, si_pid: 16, si_uid: 20, si_int: 24 },
    c: "siginfo_t",
    header: "signal.h",
  },
  pidfdInfoVer0: {
    ...pidfdInfo,
    type: pidfdInfoVer0,
    size: 64,
    offsets: pidfdInfoVer0Offsets,
    macros: { size: "PIDFD_INFO_SIZE_VER0", fields: pidfdInfoFields },
  },
  pidfdInfoVer1: {
    ...pidfdInfo,
    type: pidfdInfoVer1,
    size: 72,
    offsets: pidfdInfoVer1Offsets,
    macros: { size: "PIDFD_INFO_SIZE_VER1", fields: pidfdInfoFields },
  },
  pidfdInfoVer2: {
    ...pidfdInfo,
    type: pidfdInfoVer2,
    size: 80,
    offsets: { ...pidfdInfoVer1Offsets, supported_mask: 72 },
    macros: {
      size: "PIDFD_INFO_SIZE_VER2",
      fields: pidfdInfoFields,
      moved: { supported_mask: "PIDFD_INFO_SIZE_VER3" },
    },
  },
  pidfdInfoVer3: {
    ...pidfdInfo,
    type: pidfdInfoVer3,
    size: 88,
    offsets: { ...pidfdInfoVer1Offsets, coredump_code: 72, coredump_pad: 76, supported_mask: 80 },
    macros: { size: "PIDFD_INFO_SIZE_VER3", fields: pidfdInfoFields },
  },
  "epollEventOn.x86_64": {
    type: epollEventOn.x86_64,
    arch: "x86_64",
    size: 12,
    align: 1,
    offsets: { events: 0, data_fd: 4, data_generation: 8 },
    c: "struct epoll_event",
    header: "sys/epoll.h",
    members: { data_fd: "data.fd", data_generation: null },
  },
  "epollEventOn.aarch64": {
    type: epollEventOn.aarch64,
    arch: "aarch64",
    size: 16,
    align: 8,
    offsets: { events: 0, data_fd: 8, data_generation: 12 },
    c: "struct epoll_event",
    header: "sys/epoll.h",
    members: { data_fd: "data.fd", data_generation: null },
  },
  pollfd: {
    type: pollfd,
    size: 8,
    align: 4,
    offsets: { fd: 0, events: 4, revents: 6 },
    c: "struct pollfd",
    header: "poll.h",
  },
  statx: {
    type: statx,
    size: 256,
    align: 8,
    offsets: {
      stx_mask: 0,
      stx_blksize: 4,
      stx_attributes: 8,
      stx_nlink: 16,
      stx_uid: 20,
      stx_gid: 24,
      stx_mode: 28,
      __spare0: 30,
      stx_ino: 32,
    },
    c: "struct statx",
    header: "sys/stat.h",
    members: { __spare0: null },
  },
  statfs: {
    type: statfs,
    size: 120,
    align: 8,
    offsets: {
      f_type: 0,
      f_bsize: 8,
      f_blocks: 16,
      f_bfree: 24,
      f_bavail: 32,
      f_files: 40,
      f_ffree: 48,
      f_fsid: 56,
      f_namelen: 64,
      f_frsize: 72,
      f_flags: 80,
      f_spare: 88,
    },
    c: "struct statfs",
    header: "sys/statfs.h",
  },
  direntHead: {
    type: direntHead,
    size: 24,
    align: 8,
    offsets: { d_ino: 0, d_off: 8, d_reclen: 16, d_type: 18 },
    c: "struct linux_dirent64",
    header: "stdint.h",
    declaration: `
      struct linux_dirent64 {
        uint64_t d_ino;
        int64_t d_off;
        unsigned short d_reclen;
        unsigned char d_type;
        char d_name[];
      };
    `,
  },
  pidfsHandle: {
    type: pidfsHandle,
    size: 16,
    align: 8,
    offsets: { handle_bytes: 0, handle_type: 4, f_handle: 8 },
    c: "struct pidfs_handle",
    header: "fcntl.h",
    declaration: "struct pidfs_handle { struct file_handle head; unsigned long id; };",
    members: {
      handle_bytes: "head.handle_bytes",
      handle_type: "head.handle_type",
      f_handle: "head.f_handle",
    },
  },
  iovec: {
    type: iovec,
    size: 16,
    align: 8,
    offsets: { iov_base: 0, iov_len: 8 },
    c: "struct iovec",
    header: "sys/uio.h",
  },
  msghdr: {
    type: msghdr,
    size: 56,
    align: 8,
    offsets: {
      msg_name: 0,
      msg_namelen: 8,
      msg_iov: 16,
      msg_iovlen: 24,
      msg_control: 32,
      msg_controllen: 40,
      msg_flags: 48,
    },
    c: "struct msghdr",
    header: "sys/socket.h",
  },
  cmsghdr: {
    type: cmsghdr,
    size: 16,
    align: 8,
    offsets: { cmsg_len: 0, cmsg_level: 8, cmsg_type: 12 },
    c: "struct cmsghdr",
    header: "sys/socket.h",
  },
  ucred: {
    type: ucred,
    size: 12,
    align: 4,
    offsets: { pid: 0, uid: 4, gid: 8 },
    c: "struct ucred",
    header: "sys/socket.h",
  },
  sockaddrUn: {
    type: sockaddrUn,
    size: 110,
    align: 2,
    offsets: { sun_family: 0, sun_path: 2 },
    c: "struct sockaddr_un",
    header: "sys/un.h",
  },
  intValue: {
    type: intValue,
    size: 4,
    align: 4,
    offsets: { value: 0 },
    c: "struct one_int",
    header: "stddef.h",
    declaration: "struct one_int { int value; };",
  },
  outInt: {
    type: outInt,
    size: 4,
    align: 4,
    offsets: { value: 0 },
    c: "struct one_int",
    header: "stddef.h",
    declaration: "struct one_int { int value; };",
  },
  pipeEnds: {
    type: pipeEnds,
    size: 8,
    align: 4,
    offsets: { read: 0, write: 4 },
    c: "struct two_ints",
    header: "unistd.h",
    declaration: "struct two_ints { int value[2]; };",
    members: { read: "value[0]", write: "value[1]" },
  },
  job: {
    type: job,
    size: 96,
    align: 8,
    offsets: { birth: 0, steps: 48, outcome: 56, blocked: 64, mask: 72, blocking: 80, child: 88 },
    c: "struct job",
    header: "stdint.h",
    declaration: `
      struct job {
        struct { int64_t number, args[5]; } birth;
        int64_t steps, outcome;
        uint64_t blocked, mask;
        int64_t blocking, child;
      };
    `,
  },
  step: {
    type: step,
    size: 72,
    align: 8,
    offsets: { number: 0, args: 8, least: 56, most: 64 },
    c: "struct step",
    header: "stdint.h",
    declaration: "struct step { int64_t number, args[6], least, most; };",
  },
  outcome: {
    type: outcome,
    size: 24,
    align: 8,
    offsets: { result: 0, step: 8, heir: 16 },
    c: "struct outcome",
    header: "stdint.h",
    declaration: "struct outcome { int64_t result, step, heir; };",
  },
  cloneArgs: {
    type: cloneArgs,
    size: 88,
    align: 8,
    offsets: {
      flags: 0,
      pidfd: 8,
      child_tid: 16,
      parent_tid: 24,
      exit_signal: 32,
      stack: 40,
      stack_size: 48,
      tls: 56,
      set_tid: 64,
      set_tid_size: 72,
      cgroup: 80,
    },
    c: "struct clone_args",
    header: "linux/sched.h",
  },
  kernelSigaction: {
    type: kernelSigaction,
    size: 32,
    align: 8,
    offsets: { sa_handler: 0, sa_flags: 8, sa_restorer: 16, sa_mask: 24 },
    c: "struct kernel_sigaction",
    header: "stdint.h",
    declaration: `
      struct kernel_sigaction {
        void (*sa_handler)(int);
        unsigned long sa_flags;
        void (*sa_restorer)(void);
        unsigned long sa_mask;
      };
    `,
  },
  rlimit64: {
    type: rlimit64,
    size: 16,
    align: 8,
    offsets: { rlim_cur: 0, rlim_max: 8 },
    c: "struct rlimit64",
    header: "sys/resource.h",
  },
  group: {
    type: group,
    size: 32,
    align: 8,
    offsets: {
      gr_name: 0,
      gr_passwd: 8,
      gr_gid: 16,
      gr_mem: 24,
    },
    c: "struct group",
    header: "grp.h",
  },
  passwd: {
    type: passwd,
    size: 48,
    align: 8,
    offsets: {
      pw_name: 0,
      pw_passwd: 8,
      pw_uid: 16,
      pw_gid: 20,
      pw_gecos: 24,
      pw_dir: 32,
      pw_shell: 40,
    },
    c: "struct passwd",
    header: "pwd.h",
  },
  namespaceId: {
    type: namespaceId,
    size: 8,
    align: 8,
    offsets: { ns_id: 0 },
    c: "struct namespace_id",
    header: "stdint.h",
    declaration: "struct namespace_id { uint64_t ns_id; };",
  },
  userId: {
    type: userId,
    size: 4,
    align: 4,
    offsets: { value: 0 },
    c: "struct one_user",
    header: "sys/types.h",
    declaration: "struct one_user { uid_t value; };",
  },
  winsize: {
    type: winsize,
    size: 8,
    align: 2,
    offsets: { ws_row: 0, ws_col: 2, ws_xpixel: 4, ws_ypixel: 6 },
    c: "struct winsize",
    header: "sys/ioctl.h",
  },
  kernelTermios: {
    type: kernelTermios,
    size: 36,
    align: 4,
    offsets: { c_iflag: 0, c_oflag: 4, c_cflag: 8, c_lflag: 12, c_line: 16, c_cc: 17 },
    c: "struct termios",
    header: "asm/termbits.h",
  },
};

/**
 * The features of the running kernel. Each is probed once, at first use, and the result is
 * remembered.
 *
 * Features are probed, not guessed from the version: distributions backport features, containers
 * forbid calls that they don't know, and gVisor has features of different versions.
 *
 * A probe is made on this very process, and almost any error means that the feature is missing. No
 * single errno is decisive: for an unknown ioctl on a pidfd, kernels before 6.11 return ENOTTY,
 * 6.11 and 6.12 return EINVAL, and seccomp filters EPERM or ENOSYS. A process may always ask about
 * itself, so nothing else can cause an error. The exception is a lack of memory, descriptors or
 * processes, which tells nothing about the kernel.
 *
 * @module
 */

import {
  PIDFD_INFO_COREDUMP,
  PIDFD_INFO_COREDUMP_SIGNAL,
  PIDFD_INFO_EXIT,
} from "../structs/pidfd_info.ts";
import { PID_FS_MAGIC } from "../structs/stat.ts";
import { check, failure } from "./call.ts";
import { Errno } from "./errno.ts";
import { SyscallError, UnsupportedError } from "./errors.ts";
import { AT_FDCWD, discard, fileSystemType, inode, O_RDONLY, openat } from "./files.ts";
import { tryCgroupBirth, tryKillOnClose, tryUserNamespace } from "./launch.ts";
import { getNamespaceId, KINDS, pidFromNamespace, typesOf } from "./namespaces.ts";
import { socketpair, tryPeerPidfd } from "./sockets.ts";
import {
  getpid,
  openById,
  PIDFD_SIGNAL_THREAD_GROUP,
  PIDFD_THREAD,
  pidfdGetInfo,
  pidfdGetNamespace,
  pidfdOpen,
  pidfdSupportedInfo,
  setns,
  tryGetfd,
  trySendSignal,
  waitidPidfd,
} from "./syscalls.ts";

/** Temporary errors: the probe throws them, and its result is not remembered. */
const EXHAUSTED: ReadonlySet<number> = new Set([
  Errno.EAGAIN,
  Errno.EMFILE,
  Errno.ENFILE,
  Errno.ENOMEM,
]);

/** One thing that a kernel can or cannot do. */
export class Capability {
  #available: boolean | undefined;

  /**
   * @param feature The kernel's name for it, for UnsupportedError.
   * @param since The version that brought it.
   * @param probe Tries it on a pidfd of this process; throws or returns false if it is missing.
   */
  constructor(
    readonly feature: string,
    readonly since: string,
    private readonly probe: (self: number) => boolean,
  ) {}

  /** Whether the running kernel has it. */
  get available(): boolean {
    return this.#available ??= this.#try();
  }

  /** Throws if the running kernel doesn't have it. */
  require(advice?: string): void {
    if (!this.available) throw new UnsupportedError(this.feature, this.since, advice);
  }

  #try(): boolean {
    try {
      const self = pidfdOpen(getpid(), 0);
      try {
        return this.probe(self);
      } finally {
        discard(self);
      }
    } catch (error) {
      if (error instanceof UnsupportedError) return false;
      if (error instanceof SyscallError && !EXHAUSTED.has(error.errno)) return false;
      throw error;
    }
  }
}

/** Whether a result shows that the call is known: success, or the one error given as proof. */
function known(syscall: string, result: number, proof?: number): boolean {
  if (result < 0 && EXHAUSTED.has(-result)) throw failure(syscall, -result);
  return result >= 0 || -result === proof;
}

/** As `known`, for calls that return an fd. The fd is closed. */
function knownByFd(syscall: string, fd: number): boolean {
  if (fd >= 0) discard(fd);
  return known(syscall, fd);
}

/** pidfd_open itself. */
export const pidfdOpenCall = new Capability("pidfd_open", "Linux 5.3", () => true);

/** `waitid(P_PIDFD)`: a kernel that has it tells that this process is not its own child. */
export const waitidCall = new Capability(
  "waitid(P_PIDFD)",
  "Linux 5.4",
  (self) => waitidPidfd(self, false).state === "no child",
);

export const getfdCall = new Capability(
  "pidfd_getfd",
  "Linux 5.6",
  (self) => knownByFd("pidfd_getfd", tryGetfd(self, self)),
);

/**
 * setns with a pidfd. The probe enters our own namespace. Without privileges that fails with EPERM;
 * older kernels fail earlier, with another error.
 */
export const setnsPidfd = new Capability(
  "setns(pidfd)",
  "Linux 5.8",
  (self) => known("setns", setns(self, typesOf(["uts"])), Errno.EPERM),
);

export const threadPidfds = new Capability("PIDFD_THREAD", "Linux 6.9", () => {
  discard(pidfdOpen(getpid(), PIDFD_THREAD));
  return true;
});

export const signalScopes = new Capability(
  "PIDFD_SIGNAL_THREAD_GROUP",
  "Linux 6.9",
  (self) => known("pidfd_send_signal", trySendSignal(self, 0, PIDFD_SIGNAL_THREAD_GROUP)),
);

/** A 64-bit id of every process: the inode number of its pidfds. */
export const pidfsIds = new Capability(
  "a process's id (pidfs)",
  "Linux 6.9",
  (self) => fileSystemType(self) === PID_FS_MAGIC,
);

export const namespaceIoctls = new Capability(
  "PIDFD_GET_*_NAMESPACE",
  "Linux 6.11",
  (self) => knownByFd("ioctl(PIDFD_GET_UTS_NAMESPACE)", pidfdGetNamespace(self, KINDS.uts.ioctl)),
);

/** Translating PIDs of other PID namespaces. The probe translates this process's own PID. */
export const pidTranslation = new Capability("NS_GET_PID_FROM_PIDNS", "Linux 6.11", (self) => {
  const call = "ioctl(NS_GET_PID_FROM_PIDNS)";
  return withNamespace(self, "pid", (fd) => known(call, pidFromNamespace(fd, getpid())));
});

/** Ids of namespaces, which are never reused until the next boot. */
export const namespaceIds = new Capability(
  "NS_GET_ID",
  "Linux 6.18",
  (self) =>
    withNamespace(self, "uts", (fd) => known("ioctl(NS_GET_ID)", getNamespaceId(fd).result)),
);

/** Calls `use` with an fd of one of this process's namespaces. */
function withNamespace<T>(self: number, kind: "pid" | "uts", use: (fd: number) => T): T {
  const name = `ioctl(PIDFD_GET_${kind.toUpperCase()}_NAMESPACE)`;
  const fd = namespaceIoctls.available
    ? check(name, pidfdGetNamespace(self, KINDS[kind].ioctl))
    : openat(AT_FDCWD, `/proc/self/ns/${kind}`, O_RDONLY);
  try {
    return use(fd);
  } finally {
    discard(fd);
  }
}

export const infoIoctl = new Capability(
  "PIDFD_GET_INFO",
  "Linux 6.13",
  (self) => known("ioctl(PIDFD_GET_INFO)", pidfdGetInfo(self, 0n).result),
);

/**
 * PIDFD_INFO_COREDUMP, which also proves PIDFD_INFO_EXIT. A process can't probe its own exit
 * status, so this probes a feature that came one version later. It can't tell 6.15 from 6.13: see
 * `exitInfo`.
 */
export const coredumpInfo = new Capability("PIDFD_INFO_COREDUMP", "Linux 6.16", (self) => {
  const { result, info } = pidfdGetInfo(self, PIDFD_INFO_EXIT | PIDFD_INFO_COREDUMP);
  return known("ioctl(PIDFD_GET_INFO)", result) && (info.mask & PIDFD_INFO_COREDUMP) !== 0n;
});

/** The signal that caused a core dump. */
export const coredumpSignal = new Capability(
  "PIDFD_INFO_COREDUMP_SIGNAL",
  "Linux 6.19",
  (self) => (pidfdSupportedInfo(self) & PIDFD_INFO_COREDUMP_SIGNAL) !== 0n,
);

/**
 * Whether PIDFD_GET_INFO tells the exit status of a process that was reaped. On Linux 6.13 to 6.15
 * no probe can tell. There it is learned from the first process that we see reaped.
 */
export const exitInfo = {
  feature: "PIDFD_INFO_EXIT",
  since: "Linux 6.15",
  learned: undefined as boolean | undefined,
  /** `undefined`: not known yet, because no reaped process was seen. */
  get available(): boolean | undefined {
    if (!infoIoctl.available) return false;
    return coredumpInfo.available || this.learned;
  },
};

/** Opening a process by its id alone. */
export const idHandles = new Capability(
  "open_by_handle_at on pidfs",
  "Linux 6.14",
  (self) => pidfsIds.available && knownByFd("open_by_handle_at", openById(self, inode(self))),
);

/** A pidfd of a socket's peer. */
export const peerPidfds = new Capability("SO_PEERPIDFD", "Linux 6.5", () => {
  const [one, other] = socketpair("stream");
  try {
    return knownByFd("getsockopt(SO_PEERPIDFD)", tryPeerPidfd(one));
  } finally {
    discard(one);
    discard(other);
  }
});

/** A child that is born into a cgroup. The probe passes a pidfd, which is not a cgroup: EBADF. */
export const cgroupSpawn = new Capability(
  "CLONE_INTO_CGROUP",
  "Linux 5.7",
  (self) => known("clone3", tryCgroupBirth(self), Errno.EBADF),
);

/** A child in a new user namespace. A system can forbid that to ordinary users. */
export const userNamespaces = new Capability(
  "CLONE_NEWUSER",
  "Linux 3.8",
  (self) => known("clone", tryUserNamespace(self)),
);

/**
 * A child that the kernel kills when the last duplicate of its pidfd is closed. The kernel also
 * reaps it, so only PIDFD_GET_INFO can tell its exit status.
 */
export const killOnCloseSpawn = new Capability(
  "CLONE_PIDFD_AUTOKILL",
  "Linux 7.1",
  () => known("clone3", tryKillOnClose()) && exitInfo.available === true,
);

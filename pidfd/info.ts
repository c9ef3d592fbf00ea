/**
 * A process's identity: its PIDs, id, credentials and cgroup.
 *
 * From Linux 6.13 on one ioctl tells all of it (PIDFD_GET_INFO). Before, it is read from /proc: the
 * PID from the pidfd's own fdinfo, parent and credentials from /proc/PID/status, the cgroup's id
 * from the inode number of its folder. Each read is guarded: it returns facts about this process,
 * or fails with ESRCH.
 *
 * @module
 */

import { infoIoctl, pidfsIds } from "../ffi/capabilities.ts";
import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import { AT_FDCWD, discard, inode, O_PATH, openat, readTextFile } from "../ffi/files.ts";
import { hasDumped, pidfdGetInfo, type PidfdInfo } from "../ffi/syscalls.ts";
import {
  PIDFD_INFO_CGROUPID,
  PIDFD_INFO_COREDUMP,
  PIDFD_INFO_COREDUMP_SIGNAL,
  PIDFD_INFO_PID,
} from "../structs/pidfd_info.ts";
import type { FdHandle } from "./fd_handle.ts";
import { confirm, pidOf, pidsOf, type ProcDir, withProcDir } from "./proc_dir.ts";
import { signalName } from "./signals.ts";
import { parseCgroupMounts, parseCgroupPath, parseNsPids, parseStatus } from "./proc_text.ts";

/**
 * The user and group IDs of a process, as the caller's user namespace sees them.
 *
 * See {@link https://man7.org/linux/man-pages/man7/credentials.7.html | credentials(7)}.
 */
export interface Credentials {
  /** Real user ID. */
  ruid: number;
  /** Effective user ID. */
  euid: number;
  /** Saved set-user-ID. */
  suid: number;
  /** User ID for access to files. */
  fsuid: number;
  /** Real group ID. */
  rgid: number;
  /** Effective group ID. */
  egid: number;
  /** Saved set-group-ID. */
  sgid: number;
  /** Group ID for access to files. */
  fsgid: number;
}

/**
 * A process's identity at one moment, from {@linkcode PidFd.getInfo}. `JSON.stringify` writes its
 * two ids as decimal strings: JSON has no bigint, and numbers lose digits.
 */
export interface ProcessInfo {
  /** The process's PID; for a handle on a thread, the thread's ID. */
  pid: number;
  /** For a thread, the PID of its process; for a process, the same as `pid`. */
  tgid: number;
  /** The parent's PID; 0 if the parent is not in the caller's PID namespace. */
  ppid: number;
  /** The id that no other process gets until the next boot; null before Linux 6.9. */
  id: bigint | null;
  /** The id of its cgroup in the unified hierarchy; null if there is none. */
  cgroupId: bigint | null;
  /** Its user and group IDs. */
  creds: Credentials;
  /**
   * The process's core dump; null if there is none, and before Linux 6.16. It is meant for the
   * command or socket in core_pattern that receives the dump. After the process was reaped, see its
   * {@linkcode ExitStatus} instead.
   */
  coreDump: CoreDump | null;
}

/**
 * A core dump of a process.
 *
 * See {@link https://man7.org/linux/man-pages/man5/core.5.html | core(5)}.
 */
export interface CoreDump {
  /** The signal that caused it; null if it has no name, and before Linux 6.19. */
  signal: Deno.Signal | null;
  /** The number of the signal that caused it; null before Linux 6.19. */
  signalNumber: number | null;
}

/** All facts that one look at a process gives. The id is read separately. */
type Facts = Omit<ProcessInfo, "id">;

/** The PID alone. Without PIDFD_GET_INFO it is cheaper to read than the rest. */
export function getPid(pidfd: number): number {
  return infoIoctl.available ? fromIoctl(pidfd).pid : pidOf(pidfd);
}

/** The PIDs in each PID namespace, from ours down to the process's own. */
export function getPids(handle: FdHandle): number[] {
  // The ioctl first: it fails if the process has no PID in our namespace. The mounted /proc can
  // belong to a namespace above ours. Its list of PIDs then starts above ours, and we cut that
  // part.
  if (infoIoctl.available) fromIoctl(handle.use());
  const pids = pidsOf(handle);
  const own = parseNsPids(readTextFile(AT_FDCWD, "/proc/self/status")) ?? pids.slice(0, 1);
  return pids.slice(own.length - 1);
}

/** All facts but the id; throws ESRCH once the process was reaped. */
export function getFacts(handle: FdHandle): Facts {
  return infoIoctl.available ? fromIoctl(handle.use()) : withProcDir(handle, fromProc);
}

/** The id; UnsupportedError before Linux 6.9. */
export function getId(handle: FdHandle): bigint {
  handle.check();
  pidfsIds.require();
  return handle.inode();
}

/** All facts with the id. */
export function getInfo(handle: FdHandle): ProcessInfo {
  const facts = getFacts(handle);
  return new Info(facts, pidfsIds.available ? handle.inode() : null);
}

/** A class, because adding `toJSON` to each object would take as long as a system call. */
class Info implements ProcessInfo {
  pid: number;
  tgid: number;
  ppid: number;
  id: bigint | null;
  cgroupId: bigint | null;
  creds: Credentials;
  coreDump: CoreDump | null;

  constructor({ pid, tgid, ppid, cgroupId, creds, coreDump }: Facts, id: bigint | null) {
    this.pid = pid;
    this.tgid = tgid;
    this.ppid = ppid;
    this.id = id;
    this.cgroupId = cgroupId;
    this.creds = creds;
    this.coreDump = coreDump;
  }

  toJSON(): object {
    const decimal = (id: bigint | null) => id === null ? null : String(id);
    return { ...this, id: decimal(this.id), cgroupId: decimal(this.cgroupId) };
  }

  static {
    // Comparing and printing then treat an info as a plain object.
    Object.defineProperty(this.prototype, "constructor", { value: Object });
  }
}

/** The cgroup's id; throws where `getFacts` gives null. */
export function getCgroupId(handle: FdHandle): bigint {
  const { cgroupId } = getFacts(handle);
  if (cgroupId !== null) return cgroupId;
  throw new UnsupportedError(
    "the process's cgroup id",
    infoIoctl.since,
    "before, a cgroup2 mount must contain the process's cgroup",
  );
}

/** Whether two pidfds stand for the same process. Before Linux 6.9, ESRCH if one was reaped. */
export function isSameProcess(a: FdHandle, b: FdHandle): boolean {
  if (pidfsIds.available) return a.inode() === b.inode();
  const same = pidOf(a.use()) === pidOf(b.use());
  // Neither was reaped yet, so both had their PIDs at the same time: equal PIDs mean one process.
  confirm(a.use());
  confirm(b.use());
  return same;
}

function fromIoctl(pidfd: number): Facts {
  const { result, info } = pidfdGetInfo(pidfd, PIDFD_INFO_CGROUPID | PIDFD_INFO_COREDUMP);
  const { mask } = info;
  const reaped = result === 0 && (mask & PIDFD_INFO_PID) === 0n;
  const errno = reaped ? Errno.ESRCH : -result;
  if (errno !== 0) {
    throw failure("ioctl(PIDFD_GET_INFO)", errno, {
      [Errno.ESRCH]: "the process was reaped",
    });
  }
  return {
    pid: info.pid,
    tgid: info.tgid,
    ppid: info.ppid,
    cgroupId: (mask & PIDFD_INFO_CGROUPID) === 0n ? null : info.cgroupid,
    creds: {
      ruid: info.ruid,
      euid: info.euid,
      suid: info.suid,
      fsuid: info.fsuid,
      rgid: info.rgid,
      egid: info.egid,
      sgid: info.sgid,
      fsgid: info.fsgid,
    },
    coreDump: hasDumped(info) ? coreDumpOf(info) : null,
  };
}

function coreDumpOf({ mask, coredump_signal }: PidfdInfo): CoreDump {
  const isKnown = (mask & PIDFD_INFO_COREDUMP_SIGNAL) !== 0n;
  return {
    signal: isKnown ? signalName(coredump_signal) : null,
    signalNumber: isKnown ? coredump_signal : null,
  };
}

function fromProc(proc: ProcDir): Facts {
  const { tgid, ppid, uids, gids } = parseStatus(proc.readTextFile("status"));
  const [ruid, euid, suid, fsuid] = uids;
  const [rgid, egid, sgid, fsgid] = gids;
  return {
    pid: proc.pid,
    tgid,
    ppid,
    cgroupId: cgroupIdFromProc(proc),
    creds: { ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid },
    coreDump: null,
  };
}

/** The inode number of a cgroup's folder is the cgroup's id (kernfs, 64-bit Linux). */
function cgroupIdFromProc(proc: ProcDir): bigint | null {
  const folder = findCgroupFolder(proc.readTextFile("cgroup"));
  return folder === null ? null : folderId(folder);
}

/**
 * The folder's path of a process's cgroup (version 2), from the text of its `/proc/PID/cgroup`;
 * null if no cgroup2 mount contains it.
 */
export function findCgroupFolder(text: string): string | null {
  const path = parseCgroupPath(text);
  if (path === null) return null;
  const mountinfo = readTextFile(AT_FDCWD, "/proc/self/mountinfo");
  for (const { root, point } of parseCgroupMounts(mountinfo)) {
    const below = pathBelow(root, path);
    // For the root cgroup `below` is "/", but a mount point has no slash at its end.
    if (below !== null) return point + (below === "/" ? "" : below);
  }
  return null;
}

/** The path relative to a mount's root, or null if the mount doesn't contain it. */
function pathBelow(root: string, path: string): string | null {
  const prefix = root === "/" ? "" : root;
  const below = path.slice(prefix.length);
  const isBelow = path.startsWith(prefix) && (below === "" || below.startsWith("/"));
  // In a cgroup namespace, the path of a cgroup outside of it begins with "/..".
  return isBelow && !below.split("/").includes("..") ? below : null;
}

function folderId(path: string): bigint | null {
  try {
    const fd = openat(AT_FDCWD, path, O_PATH);
    try {
      return inode(fd);
    } finally {
      discard(fd);
    }
  } catch (error) {
    // The folder was removed after its path was read; this happens to a zombie's cgroup.
    if (error instanceof SyscallError && error.code === "ENOENT") return null;
    throw error;
  }
}

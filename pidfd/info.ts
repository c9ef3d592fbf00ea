/**
 * Who a process is.
 *
 * From Linux 6.13 on one ioctl tells all (PIDFD_GET_INFO). Before, the same comes from
 * /proc: the PID from the pidfd's own fdinfo, parent and credentials from /proc/PID/status,
 * the cgroup's id from the inode number of its folder. Each such reading is guarded so that
 * it is the process's own or fails with ESRCH.
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
 * Who a process is, at one moment. `JSON.stringify` of what {@linkcode PidFd.getInfo} returns
 * writes the two ids in decimal, as strings: JSON has no bigint, and numbers lose digits.
 */
export interface ProcessInfo {
  /** The process's ID, or the thread's for a handle on a thread. */
  pid: number;
  /** The ID of the process that a thread belongs to; for a process the same as `pid`. */
  tgid: number;
  /** The parent's ID; 0 if it has none in the caller's PID namespace. */
  ppid: number;
  /** The id that no other process has until the next boot; null before Linux 6.9. */
  id: bigint | null;
  /** The id of its cgroup in the unified hierarchy; null where there is none. */
  cgroupId: bigint | null;
  /** Its user and group IDs. */
  creds: Credentials;
  /**
   * The core dump that it makes or has made, as the receiver of that sees it: in a core_pattern that
   * is a command or a socket. Null if there is none, and before Linux 6.16. How a process ended that
   * was reaped, its {@linkcode ExitStatus} tells.
   */
  coreDump: CoreDump | null;
}

/**
 * A core dump that is made of a process.
 *
 * See {@link https://man7.org/linux/man-pages/man5/core.5.html | core(5)}.
 */
export interface CoreDump {
  /** The signal that it is for, if that has a name; null before Linux 6.19. */
  signal: Deno.Signal | null;
  /** The number of that signal; null before Linux 6.19. */
  signalNumber: number | null;
}

/** All that one look at a process tells, apart from its id. */
type Facts = Omit<ProcessInfo, "id">;

/** The PID alone, which before PIDFD_GET_INFO is cheaper than the rest. */
export function getPid(pidfd: number): number {
  return infoIoctl.available ? fromIoctl(pidfd).pid : pidOf(pidfd);
}

/** The PIDs in each PID namespace, from ours down to the process's own. */
export function getPids(handle: FdHandle): number[] {
  // That it has none in ours the ioctl knows better than /proc, which can be that of another
  // namespace: one above ours, where it shows us at all. So far up its PIDs begin.
  if (infoIoctl.available) fromIoctl(handle.use());
  const pids = pidsOf(handle);
  const own = parseNsPids(readTextFile(AT_FDCWD, "/proc/self/status")) ?? pids.slice(0, 1);
  return pids.slice(own.length - 1);
}

/** All but the id; throws ESRCH once the process was reaped. */
export function getFacts(handle: FdHandle): Facts {
  return infoIoctl.available ? fromIoctl(handle.use()) : withProcDir(handle, fromProc);
}

/** The id; UnsupportedError before Linux 6.9. */
export function getId(handle: FdHandle): bigint {
  handle.check();
  pidfsIds.require();
  return handle.inode();
}

/** All of it. */
export function getInfo(handle: FdHandle): ProcessInfo {
  const facts = getFacts(handle);
  return new Info(facts, pidfsIds.available ? handle.inode() : null);
}

/** A class for the sake of `toJSON`: to add that to each object takes as long as a system call. */
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
    // Whoever compares or prints one sees a plain object.
    Object.defineProperty(this.prototype, "constructor", { value: Object });
  }
}

/** The cgroup's id; an error where `getFacts` has null. */
export function getCgroupId(handle: FdHandle): bigint {
  const { cgroupId } = getFacts(handle);
  if (cgroupId !== null) return cgroupId;
  throw new UnsupportedError(
    "the process's cgroup id",
    infoIoctl.since,
    "before, a mount of the unified hierarchy (cgroup2) that shows the process's cgroup",
  );
}

/** Whether two pidfds stand for the same process; before Linux 6.9 ESRCH if one was reaped. */
export function isSameProcess(a: FdHandle, b: FdHandle): boolean {
  if (pidfsIds.available) return a.inode() === b.inode();
  const same = pidOf(a.use()) === pidOf(b.use());
  // Two that are still there at the same time can't have had the same PID in turn.
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
 * The path of the folder of a process's cgroup (version 2), from its `/proc/PID/cgroup`; null if no
 * mount of cgroup2 shows it.
 */
export function findCgroupFolder(text: string): string | null {
  const path = parseCgroupPath(text);
  if (path === null) return null;
  const mountinfo = readTextFile(AT_FDCWD, "/proc/self/mountinfo");
  for (const { root, point } of parseCgroupMounts(mountinfo)) {
    const below = pathBelow(root, path);
    // The root's path is "/", and that of its mount has no slash at its end.
    if (below !== null) return point + (below === "/" ? "" : below);
  }
  return null;
}

/** The path from a mount's root on, or null if the mount doesn't show it. */
function pathBelow(root: string, path: string): string | null {
  const prefix = root === "/" ? "" : root;
  const below = path.slice(prefix.length);
  const isBelow = path.startsWith(prefix) && (below === "" || below.startsWith("/"));
  // Seen from within a cgroup namespace, what is outside of it begins with "/..".
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
    // Removed since its path was read, as can happen to a zombie's.
    if (error instanceof SyscallError && error.code === "ENOENT") return null;
    throw error;
  }
}

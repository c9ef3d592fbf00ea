/**
 * Opening pidfds, and verifying that each stands for the intended process.
 *
 * Open first, then check. A PID can pass to another process at any moment before pidfd_open, but an
 * open pidfd never changes its process. So anything else that is known about the process, such as
 * its id, is checked on the open pidfd.
 *
 * @module
 */

import { idHandles, pidfsIds, threadPidfds } from "../ffi/capabilities.ts";
import { check, failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import {
  accessMode,
  AT_FDCWD,
  closeOnError,
  discard,
  fileSystemType,
  inode,
  readlinkat,
  setCloseOnExec,
} from "../ffi/files.ts";
import { getpid, openById, PIDFD_THREAD, pidfdOpen, waitidPidfd } from "../ffi/syscalls.ts";
import { PID_FS_MAGIC } from "../structs/stat.ts";
import { checkBoolean, checkFd, checkId, checkInstance, checkPid } from "./arguments.ts";
import { FdHandle } from "./fd_handle.ts";
import { getPid } from "./info.ts";
import { ownPidNamespace } from "./namespaces.ts";
import type { OwnedFd } from "./owned_fd.ts";
import { openPidIn } from "./pid_namespaces.ts";
import { pidsOf } from "./proc_dir.ts";
import { currentBootId, ProcessRef } from "./process_ref.ts";

/** The target of a pidfd's link under /proc/self/fd before Linux 6.9. */
const ANONYMOUS_PIDFD = "anon_inode:[pidfd]";

/** Options for {@linkcode PidFd.fromPid}. */
export interface FromPidOptions {
  /** The id that the process must have, from {@linkcode PidFd.getId}; Linux 6.9. */
  id?: bigint;
  /** Whether `pid` is a thread's ID and the handle stands for that thread alone; Linux 6.9. */
  thread?: boolean;
  /**
   * The PID namespace that `pid` belongs to, from {@linkcode PidFd.getNamespace}. The default is
   * this program's own. The process must be in this program's PID namespace or below it.
   */
  namespace?: OwnedFd;
}

/** A pidfd for this program itself. */
export function openSelf(): number {
  return pidfdOpen(getpid(), 0);
}

/**
 * A pidfd for a PID. If an id is given, the process must have it.
 *
 * @param changed The error to report if the process has another id.
 */
export function openPid(
  pid: number,
  options: FromPidOptions,
  changed: number = Errno.ESRCH,
): number {
  const { id, thread = false, namespace } = options;
  checkPid("pid", pid);
  if (id !== undefined) checkId("options.id", id);
  checkBoolean("options.thread", thread);
  if (thread) threadPidfds.require();
  if (id !== undefined) pidfsIds.require();
  const fd = namespace === undefined
    ? pidfdOpen(pid, thread ? PIDFD_THREAD : 0)
    : openPidIn(namespace, pid, thread);
  if (id === undefined) return fd;
  return closeOnError(fd, () => {
    const found = inode(fd);
    if (found === id) return fd;
    throw failure("pidfd_open", changed, {
      [changed]: `the process with id ${id} is gone; PID ${pid} now belongs to id ${found}`,
    });
  });
}

/** A pidfd for the process with an id. */
export function openId(id: bigint): number {
  checkId("id", id);
  idHandles.require("before, fromPid(pid, { id }) works from Linux 6.9 on");
  return check("open_by_handle_at", tryOpenId(id), {
    [Errno.ESTALE]: `the process with id ${id} was reaped, never existed, or is not visible here`,
  });
}

/** As openId, but returns −errno. */
function tryOpenId(id: bigint): number {
  const self = openSelf();
  try {
    return openById(self, id);
  } finally {
    discard(self);
  }
}

/** A pidfd for the process that a reference names. */
export function openRef(ref: ProcessRef | string): number {
  const isText = typeof ref === "string";
  if (!isText) checkInstance("ref", ref, "a ProcessRef or its text", ProcessRef);
  const { pid, id, bootId, pidNamespace } = isText ? ProcessRef.parse(ref) : ref;
  if (bootId !== null && bootId !== currentBootId()) {
    throw failure("pidfd_open", Errno.ESTALE, {
      [Errno.ESTALE]: `${ref} is from another boot: all its processes are gone`,
    });
  }
  pidfsIds.require();
  const fd = idHandles.available ? tryOpenId(id) : -Errno.ESTALE;
  if (fd >= 0) {
    if (bootId === null) closeOnError(fd, () => checkPidOf(fd, pid, id));
    return fd;
  }
  if (fd !== -Errno.ESTALE) throw failure("open_by_handle_at", -fd);
  // The process was reaped, or is not visible here. If the PID is valid here, it tells which.
  const own = ownPidNamespace();
  if (pidNamespace === null || own === undefined || pidNamespace === own) {
    return openPid(pid, { id }, Errno.EREMCHG);
  }
  const seesAll = idHandles.available && own === PROC_PID_INIT_INO;
  throw failure("open_by_handle_at", seesAll ? Errno.ESRCH : Errno.EREMOTE, {
    [Errno.ESRCH]: `the process with id ${id} is gone`,
    [Errno.EREMOTE]: idHandles.available
      ? `${ref} is from another PID namespace: the process is gone, or not visible from here`
      : `${ref} is from another PID namespace: finding the process by its id needs Linux 6.14`,
  });
}

/** The inode number of the initial PID namespace, the ancestor of all (`<linux/proc_ns.h>`). */
const PROC_PID_INIT_INO = 0xeffffffc;

/** Throws unless the process has this PID here or in a PID namespace below. */
function checkPidOf(fd: number, pid: number, id: bigint): void {
  const here = getPid(fd);
  if (here === pid) return;
  const handle = new FdHandle(fd, "PidFd");
  try {
    if (pidsOf(handle).includes(pid)) return;
  } finally {
    handle.release();
  }
  throw failure("open_by_handle_at", Errno.EREMCHG, {
    [Errno.EREMCHG]: `the process with id ${id} has the PID ${here} here, not ${pid}: the ` +
      "reference is from another boot or PID namespace (its JSON form tells which)",
  });
}

/** A pidfd for a child that Deno started. Deno can reap it at any await. */
export function openChild(child: Deno.ChildProcess): number {
  checkInstance("child", child, "a Deno.ChildProcess", Deno.ChildProcess);
  const reaped = {
    [Errno.ESRCH]: `Deno reaped its child ${child.pid}: take the handle right after spawn()`,
  };
  const fd = pidfdOpen(child.pid, 0, reaped);
  return closeOnError(fd, () => {
    // If Deno reaped the child before, another process can have its PID. Two checks rule that out:
    // the kernel knows whether the process is our child, Deno whether it has reaped this child.
    const isOurs = waitidPidfd(fd, false).state !== "no child" && !denoReaped(child);
    if (isOurs) return fd;
    throw failure("pidfd_open", Errno.ESRCH, reaped);
  });
}

/** Whether Deno has already reaped its child. */
function denoReaped(child: Deno.ChildProcess): boolean {
  try {
    // Signal 0 is missing in Deno's types, but works as in kill(2): nothing is sent.
    child.kill(0 as unknown as Deno.Signal);
    return false;
  } catch (error) {
    // Any other error means that the child still exists, such as EPERM for another user's process.
    return error instanceof TypeError;
  }
}

/** Takes over an fd if it is a pidfd, and leaves it unchanged otherwise. */
export function adoptFd(fd: number): number {
  checkFd("fd", fd);
  // Throws EBADF if the fd is not open. Reading the access mode changes nothing.
  accessMode(fd);
  if (!isPidfd(fd)) throw new TypeError(`fd must be a pidfd: ${fd} is something else`);
  setCloseOnExec(fd, true);
  return fd;
}

function isPidfd(fd: number): boolean {
  if (fileSystemType(fd) === PID_FS_MAGIC) return true;
  if (pidfsIds.available) return false;
  return readlinkat(AT_FDCWD, `/proc/self/fd/${fd}`) === ANONYMOUS_PIDFD;
}

/**
 * The ways to a pidfd, and what makes sure each time that it stands for the process meant.
 *
 * pidfd_open takes a PID, and a PID can change its owner until the very moment of the call.
 * So whoever knows more than the PID has it checked afterwards, on the pidfd, which can't
 * change its process any more.
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

/** What a pidfd's link under /proc/self/fd reads before Linux 6.9. */
const ANONYMOUS_PIDFD = "anon_inode:[pidfd]";

/** Options for {@linkcode PidFd.fromPid}. */
export interface FromPidOptions {
  /** The id that the process must have, from {@linkcode PidFd.getId}; Linux 6.9. */
  id?: bigint;
  /** Whether `pid` is a thread's ID and the handle stands for that thread alone; Linux 6.9. */
  thread?: boolean;
  /**
   * The PID namespace that `pid` is one of, from {@linkcode PidFd.getNamespace}: this program's own
   * unless told otherwise. The process must be in this program's PID namespace or below it.
   */
  namespace?: OwnedFd;
}

/** A pidfd for this program itself. */
export function openSelf(): number {
  return pidfdOpen(getpid(), 0);
}

/**
 * A pidfd for a PID, which must be that of the process with the id, if one is given.
 *
 * @param changed The error to report if it is another's.
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
    [Errno.ESTALE]:
      `the process with id ${id} was reaped, never was, or is not to be seen in this PID namespace`,
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

/** A pidfd for the process that a reference was made of. */
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
  // Gone, or not for this program to see. Its PID says more, where that is one of ours.
  const own = ownPidNamespace();
  if (pidNamespace === null || own === undefined || pidNamespace === own) {
    return openPid(pid, { id }, Errno.EREMCHG);
  }
  const seesAll = idHandles.available && own === PROC_PID_INIT_INO;
  throw failure("open_by_handle_at", seesAll ? Errno.ESRCH : Errno.EREMOTE, {
    [Errno.ESRCH]: `the process with id ${id} is gone`,
    [Errno.EREMOTE]: idHandles.available
      ? `${ref} is from another PID namespace: the process is gone, or not to be seen from here`
      : `${ref} is from another PID namespace: to find the process by its id needs Linux 6.14`,
  });
}

/** The inode number of the first PID namespace, below which all are (`<linux/proc_ns.h>`). */
const PROC_PID_INIT_INO = 0xeffffffc;

/** Throws unless a process has a PID, here or in a PID namespace below. */
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
    [Errno.EREMCHG]: `the process with id ${id} has the PID ${here} here, and not ${pid}: the ` +
      "reference is from another boot or PID namespace, which its JSON form would tell",
  });
}

/** A pidfd for a child of Deno's, which reaps its children by itself and at any await. */
export function openChild(child: Deno.ChildProcess): number {
  checkInstance("child", child, "a Deno.ChildProcess", Deno.ChildProcess);
  const reaped = {
    [Errno.ESRCH]: `Deno reaped its child ${child.pid}: take the handle right after spawn()`,
  };
  const fd = pidfdOpen(child.pid, 0, reaped);
  return closeOnError(fd, () => {
    // Reaped before that, and the PID could have gone to anybody: the kernel knows whether it
    // is a child of ours, and Deno whether it is still this one.
    const isOurs = waitidPidfd(fd, false).state !== "no child" && !denoReaped(child);
    if (isOurs) return fd;
    throw failure("pidfd_open", Errno.ESRCH, reaped);
  });
}

/** Whether Deno has already taken its child's status. */
function denoReaped(child: Deno.ChildProcess): boolean {
  try {
    // Not in Deno's types, but as in kill(2): signal 0 is never sent.
    child.kill(0 as unknown as Deno.Signal);
    return false;
  } catch (error) {
    // Any other error is about a child that is there: EPERM, if it has another user's rights.
    return error instanceof TypeError;
  }
}

/** Takes over an fd from elsewhere, if it is a pidfd; leaves it alone otherwise. */
export function adoptFd(fd: number): number {
  checkFd("fd", fd);
  // Any call that EBADF could come from: asking for the mode changes nothing.
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

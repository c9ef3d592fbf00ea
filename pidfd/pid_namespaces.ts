/**
 * Finding a process by its PID in another PID namespace, for example one that a program in a
 * container reported.
 *
 * From Linux 6.11 on an ioctl translates the PID (NS_GET_PID_FROM_PIDNS). Before, all processes in
 * /proc are searched: NSpid lists a process's PIDs from ours down to its own namespace, and
 * NS_GET_PARENT goes up from its own namespace to the given one.
 *
 * @module
 */

import { pidTranslation } from "../ffi/capabilities.ts";
import { check, failure, type Hints } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import {
  AT_FDCWD,
  closeOnError,
  discard,
  inode,
  O_RDONLY,
  openat,
  readDirectory,
} from "../ffi/files.ts";
import { isPidNamespace, parentNamespace, pidFromNamespace } from "../ffi/namespaces.ts";
import { PIDFD_THREAD, pidfdOpen } from "../ffi/syscalls.ts";
import { checkInstance } from "./arguments.ts";
import { FdHandle } from "./fd_handle.ts";
import { openNamespace } from "./namespaces.ts";
import { OwnedFd } from "./owned_fd.ts";
import { confirm, pidsOf } from "./proc_dir.ts";

/** A pidfd for the process, or the thread, that has a PID in a PID namespace. */
export function openPidIn(namespace: OwnedFd, pid: number, thread: boolean): number {
  checkInstance("options.namespace", namespace, "an OwnedFd", OwnedFd);
  if (namespace.closed) throw new Deno.errors.BadResource("options.namespace is closed");
  const { fd } = namespace;
  if (!isPidNamespace(fd)) {
    throw new TypeError(`options.namespace must be a PID namespace: fd ${fd} is something else`);
  }
  if (pidTranslation.available) return openTranslated(fd, pid, thread ? PIDFD_THREAD : 0);
  // The search below covers no threads: /proc lists processes only.
  if (thread) pidTranslation.require();
  return openFound(fd, pid);
}

/** The hints for a search that finds no process. */
function noProcess(pid: number): Hints {
  return { [Errno.ESRCH]: `no process visible to this program has the PID ${pid} in there` };
}

function openTranslated(namespace: number, pid: number, flags: number): number {
  const translate = () =>
    check("ioctl(NS_GET_PID_FROM_PIDNS)", pidFromNamespace(namespace, pid), noProcess(pid));
  for (;;) {
    const here = translate();
    const isIt = (fd: number) => {
      const same = translate() === here;
      // Not reaped yet: so it had its PID during the second translation.
      confirm(fd);
      return same;
    };
    try {
      const fd = pidfdOpen(here, flags);
      if (closeOnError(fd, isIt)) return fd;
      discard(fd);
    } catch (error) {
      // It was reaped in between. Try again: another process may have its PID in there by now.
      if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
      translate();
    }
  }
}

function openFound(namespace: number, pid: number): number {
  const id = inode(namespace);
  let hidden: unknown;
  for (const candidate of processes()) {
    const handle = tryHold(candidate);
    if (handle === undefined) continue;
    try {
      if (hasPidIn(handle, id, pid)) return handle.release();
    } catch (error) {
      if (!(error instanceof SyscallError) || (error.code !== "ESRCH" && error.code !== "EACCES")) {
        throw error;
      }
      if (error.code === "EACCES") hidden = error;
    } finally {
      handle.close();
    }
  }
  // A process that this program may not inspect could be the one.
  throw hidden ?? failure("pidfd_open", Errno.ESRCH, noProcess(pid));
}

/** The PIDs of all processes that /proc shows. */
function processes(): number[] {
  try {
    const folder = openat(AT_FDCWD, "/proc", O_RDONLY);
    try {
      const names = readDirectory(folder).filter((name) => /^\d+$/.test(name));
      if (names.length > 0) return names.map(Number);
    } finally {
      discard(folder);
    }
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
  }
  const { feature, since } = pidTranslation;
  throw new UnsupportedError(
    feature,
    since,
    "before, the PID is searched in /proc, which is missing here",
  );
}

function tryHold(pid: number): FdHandle | undefined {
  try {
    return new FdHandle(pidfdOpen(pid, 0), "PidFd");
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ESRCH") return undefined;
    throw error;
  }
}

/** Whether a process has this PID in this PID namespace (an inode number). */
function hasPidIn(handle: FdHandle, namespace: bigint, pid: number): boolean {
  const pids = pidsOf(handle);
  // The PID in its own namespace is last. Those of the namespaces above come before it.
  const levels = pids.flatMap((other, i) => other === pid ? [pids.length - 1 - i] : []);
  return levels.length > 0 && levels.includes(levelOf(handle, namespace, Math.max(...levels)));
}

/** How many levels a PID namespace is above the process's own; −1 if it is none of `most`. */
function levelOf(handle: FdHandle, namespace: bigint, most: number): number {
  let fd = openNamespace(handle, "pid");
  try {
    for (let level = 0; level <= most; level++) {
      if (inode(fd) === namespace) return level;
      const parent = parentNamespace(fd);
      // Namespaces above this program's own are not visible.
      if (parent === -Errno.EPERM) return -1;
      check("ioctl(NS_GET_PARENT)", parent);
      discard(fd);
      fd = parent;
    }
    return -1;
  } finally {
    discard(fd);
  }
}

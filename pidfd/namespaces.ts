/**
 * The namespaces of a process.
 *
 * From Linux 6.11 on, an ioctl of the pidfd opens a namespace, one ioctl for each kind. Before, it
 * is opened under /proc/PID/ns. From Linux 5.8 on, setns takes a pidfd and enters several kinds at
 * once, all or none. Before, it enters one kind after another.
 *
 * @module
 */

import { namespaceIoctls, setnsPidfd } from "../ffi/capabilities.ts";
import { check, failure, type Hints } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, discard, O_RDONLY, openat, readlinkat } from "../ffi/files.ts";
import { KINDS, typesOf } from "../ffi/namespaces.ts";
import { hasExited, pidfdGetNamespace, setns } from "../ffi/syscalls.ts";
import { checkOneOf } from "./arguments.ts";
import type { FdHandle } from "./fd_handle.ts";
import { withProcDir } from "./proc_dir.ts";

/**
 * A kind of namespace, by its name under `/proc/PID/ns`.
 *
 * See {@link https://man7.org/linux/man-pages/man7/namespaces.7.html | namespaces(7)}.
 */
export type NamespaceKind =
  | "cgroup"
  | "ipc"
  | "mnt"
  | "net"
  | "pid"
  | "pid_for_children"
  | "time"
  | "time_for_children"
  | "user"
  | "uts";

/** Every kind. */
export const NAMESPACE_KINDS = Object.keys(KINDS) as readonly NamespaceKind[];

/** The kinds that setns with a pidfd has no flag for: each needs its own fd. */
const FOR_CHILDREN: ReadonlySet<NamespaceKind> = new Set(["pid_for_children", "time_for_children"]);

const HINTS: Hints = {
  [Errno.ESRCH]: "the process ended",
  [Errno.EACCES]: "this needs the right to look into the process (PTRACE_MODE_READ_FSCREDS)",
  [Errno.EPERM]: "this needs CAP_SYS_ADMIN here and in the namespace's user namespace",
  [Errno.EUSERS]: "a program with threads, such as every Deno program, can't enter time",
};

/** The hints for setns: the meaning of EINVAL depends on the kinds to enter. */
function hintsFor(kinds: readonly NamespaceKind[]): Hints {
  const have = (...some: NamespaceKind[]) => some.some((kind) => kinds.includes(kind));
  if (have("mnt", "user")) {
    const reason = "a program with threads, such as every Deno program, can't enter mnt or user";
    return { ...HINTS, [Errno.EINVAL]: reason };
  }
  if (!have("pid", "pid_for_children")) return HINTS;
  const reason = "a PID namespace can be entered only from itself and from above";
  return { ...HINTS, [Errno.EINVAL]: reason };
}

/** An fd of one of the process's namespaces, close-on-exec. */
export function openNamespace(handle: FdHandle, kind: NamespaceKind): number {
  checkOneOf("kind", kind, NAMESPACE_KINDS);
  const pidfd = handle.use();
  if (namespaceIoctls.available) {
    const name = `ioctl(PIDFD_GET_${kind.toUpperCase()}_NAMESPACE)`;
    return check(name, pidfdGetNamespace(pidfd, KINDS[kind].ioctl), HINTS);
  }
  // Opening by path is safe: withProcDir confirms afterwards that the process was the right one.
  let fd = -1;
  try {
    withProcDir(handle, (proc) => {
      fd = openat(AT_FDCWD, `${proc.path}/ns/${kind}`, O_RDONLY);
    });
    return fd;
  } catch (error) {
    if (fd >= 0) discard(fd);
    // A zombie still has the names, but they can't be opened.
    const isMissing = error instanceof SyscallError && error.code === "ENOENT";
    throw isMissing && hasExited(pidfd) ? failure("openat", Errno.ESRCH, HINTS) : error;
  }
}

/**
 * The link text that identifies this thread's namespace of a kind. It is undefined if the link is
 * missing: on older kernels, without /proc, and for a PID namespace that has no process yet.
 */
export function namespaceLink(kind: NamespaceKind): string | undefined {
  try {
    return readlinkat(AT_FDCWD, `/proc/thread-self/ns/${kind}`);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

let pidNamespace: number | undefined;

/** The inode number of this program's PID namespace, which is constant; undefined without /proc. */
export function ownPidNamespace(): number | undefined {
  if (pidNamespace === undefined) {
    const match = /^pid:\[(\d+)\]$/.exec(namespaceLink("pid") ?? "");
    if (match !== null) pidNamespace = Number(match[1]);
  }
  return pidNamespace;
}

/** Moves the calling thread into the process's namespaces of these kinds. */
export function enterNamespaces(handle: FdHandle, kinds: NamespaceKind[]): void {
  if (kinds.length === 0) throw new TypeError("kinds must name at least one namespace");
  for (const kind of kinds) checkOneOf("kinds", kind, NAMESPACE_KINDS);
  const pidfd = handle.use();
  const together = setnsPidfd.available ? kinds.filter((kind) => !FOR_CHILDREN.has(kind)) : [];
  const single = kinds.filter((kind) => !together.includes(kind));
  const hints = hintsFor(kinds);
  const opened: { fd: number; type: number }[] = [];
  try {
    // Open all first, then enter: after entering a namespace /proc may not be reachable.
    for (const kind of single) {
      opened.push({ fd: openNamespace(handle, kind), type: KINDS[kind].type });
    }
    if (together.length > 0) {
      check("setns", setns(pidfd, typesOf(together)), hints);
    }
    for (const { fd, type } of opened) check("setns", setns(fd, type), hints);
  } finally {
    for (const { fd } of opened) discard(fd);
  }
}

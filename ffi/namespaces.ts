/**
 * The system calls on namespaces: the numbers of each kind, the ioctls of a namespace's fd, and the
 * steps by which a child enters and leaves namespaces.
 *
 * - Linux 4.9: NS_GET_PARENT; from 4.11 on NS_GET_NSTYPE.
 * - Linux 6.11: NS_GET_PID_FROM_PIDNS and its kin translate PIDs.
 * - Linux 6.18: NS_GET_ID.
 *
 * The kernel refuses setns(2) and unshare(2) of a user, mount or time namespace to a program with
 * several threads, as Deno is. A child has one thread, so it makes these calls itself; they don't
 * affect this program. For a PID namespace, setns moves only the caller's later children. So the
 * child then starts an heir that continues its steps: `giveWay`.
 *
 * @module
 */

import { namespaceId } from "../structs/namespace.ts";
import { attempt } from "./call.ts";
import { heirAddress } from "./executable.ts";
import { libc } from "./libc.ts";
import type { Step } from "./steps.ts";

const CLONE_NEWTIME = 0x0000_0080;
const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWCGROUP = 0x0200_0000;
const CLONE_NEWUTS = 0x0400_0000;
const CLONE_NEWIPC = 0x0800_0000;
const CLONE_NEWUSER = 0x1000_0000;
const CLONE_NEWPID = 0x2000_0000;
const CLONE_NEWNET = 0x4000_0000;

/** A kind, by its name under /proc/PID/ns. */
export type Kind = keyof typeof KINDS;

/** For each kind: the number of its ioctl on a pidfd, and its flag for clone, setns and unshare. */
export const KINDS = {
  cgroup: { ioctl: 1, type: CLONE_NEWCGROUP },
  ipc: { ioctl: 2, type: CLONE_NEWIPC },
  mnt: { ioctl: 3, type: CLONE_NEWNS },
  net: { ioctl: 4, type: CLONE_NEWNET },
  pid: { ioctl: 5, type: CLONE_NEWPID },
  pid_for_children: { ioctl: 6, type: CLONE_NEWPID },
  time: { ioctl: 7, type: CLONE_NEWTIME },
  time_for_children: { ioctl: 8, type: CLONE_NEWTIME },
  user: { ioctl: 9, type: CLONE_NEWUSER },
  uts: { ioctl: 10, type: CLONE_NEWUTS },
} as const;

/** The flags of several kinds in one number. */
export function typesOf(kinds: readonly Kind[]): number {
  return kinds.reduce((types, kind) => types | KINDS[kind].type, 0);
}

const NSIO = 0xb7;
const NS_GET_PARENT = (NSIO << 8) | 0x2;
const NS_GET_NSTYPE = (NSIO << 8) | 0x3;
/** `_IOR(NSIO, 6, int)`. Its argument is the PID itself, not a pointer. */
const NS_GET_PID_FROM_PIDNS = ((2 << 30) | (4 << 16) | (NSIO << 8) | 0x6) >>> 0;
/** `_IOR(NSIO, 13, __u64)` */
const NS_GET_ID = ((2 << 30) | (namespaceId.size << 16) | (NSIO << 8) | 0xd) >>> 0;

/** Whether an fd is a PID namespace. ioctl_nsfs(2), NS_GET_NSTYPE */
export function isPidNamespace(fd: number): boolean {
  return attempt(() => libc().ioctl(fd, NS_GET_NSTYPE, null)) === CLONE_NEWPID;
}

/** An fd of the parent of a PID or user namespace, or −errno. ioctl_nsfs(2), NS_GET_PARENT */
export function parentNamespace(fd: number): number {
  return attempt(() => libc().ioctl(fd, NS_GET_PARENT, null));
}

/**
 * Translates a PID of another PID namespace to this program's own; or returns −errno. ESRCH: there
 * is no such process, or this program can't see it. ioctl_nsfs(2), NS_GET_PID_FROM_PIDNS
 */
export function pidFromNamespace(fd: number, pid: number): number {
  return attempt(() => libc().ioctl_number(fd, NS_GET_PID_FROM_PIDNS, BigInt(pid)));
}

const id = namespaceId.allocate();

/** Reads a namespace's id. The result is 0 or −errno. NS_GET_ID */
export function getNamespaceId(fd: number): { result: number; id: bigint } {
  const result = attempt(() => libc().ioctl(fd, NS_GET_ID, id.bytes));
  return { result, id: id.fields.ns_id };
}

/** Enters a namespace. setns(2) */
export function setnsStep(fd: number, kind: Kind): Step {
  return { call: "setns", args: [fd, KINDS[kind].type], about: `nsenter ${kind}` };
}

/** Enters new namespaces. unshare(2) */
export function unshareStep(kinds: readonly Kind[]): Step {
  return { call: "unshare", args: [typesOf(kinds)], about: `unshare ${kinds.join(", ")}` };
}

const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;

/** Stops mounts from spreading to or from other mount namespaces. mount(2), MS_PRIVATE */
export function makeMountsPrivate(): Step {
  return {
    call: "mount",
    args: ["none", "/", 0, MS_REC | MS_PRIVATE, 0],
    about: "unshare mnt: mounts become private",
  };
}

const CLONE_VFORK = 0x4000;
const CLONE_PARENT = 0x8000;
const CLONE_PARENT_SETTID = 0x10_0000;

/**
 * Starts an heir: another process that continues the child's steps. clone(2)
 *
 * The heir is born into the PID and time namespaces that the child has set for its children. It is
 * this program's child, too (CLONE_PARENT). The child waits until the heir executes its program
 * (CLONE_VFORK). Then the child ends: in the child, clone returns a PID, but this step allows only
 * 0.
 */
export function giveWay(): Step {
  const flags = CLONE_PARENT | CLONE_VFORK | CLONE_PARENT_SETTID;
  return { call: "clone", args: [flags, 0, heirAddress(), 0, 0], passes: 0 };
}

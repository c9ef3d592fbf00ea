/**
 * Namespaces in the kernel's terms: the kinds with their numbers, the questions that an fd of one
 * answers, and the system calls by which a child leaves and enters them.
 *
 * - Linux 4.9: NS_GET_PARENT; from 4.11 on NS_GET_NSTYPE.
 * - Linux 6.11: NS_GET_PID_FROM_PIDNS and its kin translate PIDs.
 * - Linux 6.18: NS_GET_ID.
 *
 * setns(2) and unshare(2) of a user, a mount or a time namespace are refused to a program with
 * threads. A child has only one, and what it does there moves nothing of this program. A PID
 * namespace is never entered by the caller itself but by its children: so there is `giveWay`.
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

/** For each kind the number of its ioctl on a pidfd, and its type in the eyes of the calls. */
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

/** Several kinds as one number. */
export function typesOf(kinds: readonly Kind[]): number {
  return kinds.reduce((types, kind) => types | KINDS[kind].type, 0);
}

const NSIO = 0xb7;
const NS_GET_PARENT = (NSIO << 8) | 0x2;
const NS_GET_NSTYPE = (NSIO << 8) | 0x3;
/** `_IOR(NSIO, 6, int)`, which takes the PID itself in place of a pointer. */
const NS_GET_PID_FROM_PIDNS = ((2 << 30) | (4 << 16) | (NSIO << 8) | 0x6) >>> 0;
/** `_IOR(NSIO, 13, __u64)` */
const NS_GET_ID = ((2 << 30) | (namespaceId.size << 16) | (NSIO << 8) | 0xd) >>> 0;

/** Whether an fd is that of a PID namespace. ioctl_nsfs(2), NS_GET_NSTYPE */
export function isPidNamespace(fd: number): boolean {
  return attempt(() => libc().ioctl(fd, NS_GET_NSTYPE, null)) === CLONE_NEWPID;
}

/** An fd of the PID or user namespace above one, or −errno. ioctl_nsfs(2), NS_GET_PARENT */
export function parentNamespace(fd: number): number {
  return attempt(() => libc().ioctl(fd, NS_GET_PARENT, null));
}

/**
 * The PID in this program's PID namespace of the process that has a PID in another one; or −errno:
 * ESRCH if there is none, or this program can't see it. ioctl_nsfs(2), NS_GET_PID_FROM_PIDNS
 */
export function pidFromNamespace(fd: number, pid: number): number {
  return attempt(() => libc().ioctl_number(fd, NS_GET_PID_FROM_PIDNS, BigInt(pid)));
}

const id = namespaceId.allocate();

/** Asks a namespace for its id: 0 or −errno, and the id. NS_GET_ID */
export function getNamespaceId(fd: number): { result: number; id: bigint } {
  const result = attempt(() => libc().ioctl(fd, NS_GET_ID, id.bytes));
  return { result, id: id.fields.ns_id };
}

/** Enters a namespace. setns(2) */
export function setnsStep(fd: number, kind: Kind): Step {
  return { call: "setns", args: [fd, KINDS[kind].type], about: `nsenter ${kind}` };
}

/** Has new namespaces. unshare(2) */
export function unshareStep(kinds: readonly Kind[]): Step {
  return { call: "unshare", args: [typesOf(kinds)], about: `unshare ${kinds.join(", ")}` };
}

const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;

/** Has mounts neither go on to other mount namespaces nor come from them. mount(2), MS_PRIVATE */
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
 * Has another process go on in the child's place, which is born into the PID and time namespaces
 * that the child has for its children. It is this program's child, too (CLONE_PARENT). The child
 * waits until the other one executes its program (CLONE_VFORK), and ends then: its own result is no
 * longer the 0 that this step asks for. clone(2)
 */
export function giveWay(): Step {
  const flags = CLONE_PARENT | CLONE_VFORK | CLONE_PARENT_SETTID;
  return { call: "clone", args: [flags, 0, heirAddress(), 0, 0], passes: 0 };
}

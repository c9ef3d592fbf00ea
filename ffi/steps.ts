/**
 * The system calls that a child makes before it executes its program: one typed function for each,
 * under the kernel's names. A function makes no call: it returns the call as a step for the
 * launcher.
 *
 * @module
 */

import { checkCString, cStringArray } from "../structs/cstring.ts";
import { kernelSigaction, RLIM64_INFINITY, rlimit64 } from "../structs/launch.ts";
import { array, u32, u64 } from "../structs/scalars.ts";
import type { CText } from "../structs/text_block.ts";
import { addressOf } from "./libc.ts";

/** The numbers of the calls. */
export const NUMBERS = {
  x86_64: {
    ...{ write: 1, close: 3, rt_sigaction: 13, rt_sigprocmask: 14, clone: 56, execve: 59 },
    ...{ ioctl: 16, fcntl: 72, chdir: 80, fchown: 93, umask: 95, setpgid: 109, getppid: 110 },
    ...{ setsid: 112, setgroups: 116, setresuid: 117, setresgid: 119, setpriority: 141 },
    ...{ prctl: 157, exit_group: 231, dup3: 292, prlimit64: 302, clone3: 435, close_range: 436 },
    ...{ mount: 165, openat: 257, unshare: 272, setns: 308 },
  },
  aarch64: {
    ...{ write: 64, close: 57, rt_sigaction: 134, rt_sigprocmask: 135, clone: 220, execve: 221 },
    ...{ ioctl: 29, fcntl: 25, chdir: 49, fchown: 55, umask: 166, setpgid: 154, getppid: 173 },
    ...{ setsid: 157, setgroups: 159, setresuid: 147, setresgid: 149, setpriority: 140 },
    ...{ prctl: 167, exit_group: 94, dup3: 24, prlimit64: 261, clone3: 435, close_range: 436 },
    ...{ mount: 40, openat: 56, unshare: 97, setns: 268 },
  },
} as const;

/** The name of such a call. */
export type CallName = keyof typeof NUMBERS["x86_64"];

/** One system call of a child. */
export interface Step {
  readonly call: CallName;
  /** Numbers, texts, and other memory that the call reads. */
  readonly args: readonly (number | CText | Uint8Array<ArrayBuffer>)[];
  /** The step's subject, for the message of a failure. */
  readonly about?: string;
  /**
   * The results after which the child goes on. Without this: 0 or more. A number: exactly that
   * result. `"any"`: every result.
   */
  readonly passes?: number | "any";
  /** Steps with the same effect, if the kernel or a sandbox lacks the call. */
  readonly instead?: () => Step[];
}

const F_SETFD = 2;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const PRIO_PROCESS = 0;
const TIOCSCTTY = 0x540e;
/** −1 as an ID: leaves it unchanged. */
const UNCHANGED = 2 ** 32 - 1;
const SIG_SETMASK = 2;
/** Bytes of a signal set: one bit for each of 64 signals. */
export const SIGNAL_SET_SIZE = u64.size;
const UINT_MAX = 2 ** 32 - 1;

const SIG_IGN = 1n;
const NO_SIGNAL = new Uint8Array(new ArrayBuffer(SIGNAL_SET_SIZE));
const DEFAULT_ACTION = kernelSigaction.allocate().bytes;
const IGNORING = kernelSigaction.encode({ sa_handler: SIG_IGN });

/** Writes a text. write(2) */
export function write(fd: number, text: string, about: string): Step {
  const bytes = new TextEncoder().encode(text);
  return { call: "write", args: [fd, bytes, bytes.length], about };
}

const O_WRONLY = 1;

/**
 * Writes texts into files. openat(2), write(2)
 *
 * It uses fd 0: a step can't use another step's result, so the number must be known beforehand. fd
 * 0 is closed first, and openat then returns it as the lowest free number.
 *
 * @param folder An fd of the files' folder; not 0.
 * @param saved A duplicate of fd 0, which is restored at the end.
 */
export function writeFiles(
  folder: number,
  files: readonly { readonly path: string; readonly text: string; readonly about: string }[],
  saved: number | undefined,
): Step[] {
  const free: Step = { call: "close", args: [0], passes: "any" };
  const writes = files.flatMap(({ path, text, about }): Step[] => [
    free,
    { call: "openat", args: [folder, path, O_WRONLY], passes: 0, about },
    write(0, text, about),
  ]);
  return [...writes, free, ...saved === undefined ? [] : [dup3(saved, 0)]];
}

/** Leads a new session. setsid(2) */
export function setsid(): Step {
  return { call: "setsid", args: [] };
}

/** Makes a terminal the controlling terminal of the child's session. TIOCSCTTY(2const) */
export function setControllingTerminal(fd: number): Step {
  return { call: "ioctl", args: [fd, TIOCSCTTY, 0], about: "terminal" };
}

/** Gives a file to a user. fchown(2) */
export function giveTo(uid: number, fd: number, about: string): Step {
  return { call: "fchown", args: [fd, uid, UNCHANGED], about: `${about} to uid ${uid}` };
}

/** Joins a process group; 0 for a new one. setpgid(2) */
export function setpgid(group: number): Step {
  return { call: "setpgid", args: [0, group], about: `process group ${group}` };
}

/** Duplicates an fd to another number, which the program inherits. dup3(2) */
export function dup3(fd: number, target: number): Step {
  return { call: "dup3", args: [fd, target, 0], about: `fd ${fd} as fd ${target}` };
}

/** Lets the program inherit an fd. fcntl(2), F_SETFD */
export function clearCloseOnExec(fd: number): Step {
  return { call: "fcntl", args: [fd, F_SETFD, 0], about: `fd ${fd}` };
}

/**
 * Closes all fds in a range. close_range(2), Linux 5.9
 *
 * @param open Lists the open fds. Before Linux 5.9 they are closed one by one.
 */
export function closeRange(first: number, last: number, open: () => readonly number[]): Step {
  return {
    call: "close_range",
    args: [first, Math.min(last, UINT_MAX), 0],
    instead: () =>
      open()
        .filter((fd) => fd >= first && fd <= last)
        .map((fd) => ({ call: "close", args: [fd], passes: "any" })),
  };
}

/** Sets the niceness. setpriority(2) */
export function setpriority(nice: number): Step {
  return {
    call: "setpriority",
    args: [PRIO_PROCESS, 0, nice],
    about: `nice: ${nice}`,
  };
}

/** Each limit's number, by its name in prlimit(1). The kernel's name has `RLIMIT_` before it. */
export const RLIMITS = {
  ...{ cpu: 0, fsize: 1, data: 2, stack: 3, core: 4, rss: 5, nproc: 6, nofile: 7, memlock: 8 },
  ...{ as: 9, locks: 10, sigpending: 11, msgqueue: 12, nice: 13, rtprio: 14, rttime: 15 },
} as const;

/** A resource limit; Infinity for none. */
export interface Limit {
  readonly name: keyof typeof RLIMITS;
  readonly soft: number;
  readonly hard: number;
}

/** Sets a resource limit. prlimit(2) */
export function prlimit({ name, soft, hard }: Limit): Step {
  const value = (limit: number) => limit === Infinity ? RLIM64_INFINITY : BigInt(limit);
  const limit = rlimit64.encode({ rlim_cur: value(soft), rlim_max: value(hard) });
  return {
    call: "prlimit64",
    args: [0, RLIMITS[name], limit, 0],
    about: `limits.${name}: ${soft}, at most ${hard}`,
  };
}

/** Sets RLIMIT_RSS, which has no effect on Linux, and so can serve as a mark. prlimit(2) */
export function setRssLimit(value: bigint): Step {
  const limit = rlimit64.encode({ rlim_cur: value, rlim_max: value });
  return { call: "prlimit64", args: [0, RLIMITS.rss, limit, 0], about: "contain" };
}

/**
 * Sets the supplementary groups. setgroups(2)
 *
 * @param isOptional Whether the child goes on if the call fails.
 */
export function setgroups(groups: readonly number[], { isOptional = false } = {}): Step {
  const list = array(u32, groups.length);
  const bytes = new Uint8Array(new ArrayBuffer(list.size));
  list.write(new DataView(bytes.buffer), 0, [...groups]);
  return {
    call: "setgroups",
    args: [groups.length, bytes],
    about: `groups: ${groups.join(", ") || "none"}`,
    passes: isOptional ? "any" : undefined,
  };
}

/** Sets all three group IDs. setresgid(2) */
export function setresgid(gid: number): Step {
  return { call: "setresgid", args: [gid, gid, gid], about: `gid: ${gid}` };
}

/** Sets all three user IDs. setresuid(2) */
export function setresuid(uid: number): Step {
  return { call: "setresuid", args: [uid, uid, uid], about: `uid: ${uid}` };
}

/** Sets the file mode creation mask. umask(2) */
export function umask(mask: number): Step {
  return { call: "umask", args: [mask] };
}

/** Changes the working directory. chdir(2) */
export function chdir(path: string): Step {
  checkCString(path, "cwd");
  return { call: "chdir", args: [path], about: path };
}

/** Requests a signal for the end of the thread that started the child. PR_SET_PDEATHSIG(2const) */
export function setParentDeathSignal(signal: number): Step {
  return { call: "prctl", args: [PR_SET_PDEATHSIG, signal], about: "parentDeathSignal" };
}

/** Fails if that process is no longer the child's parent. getppid(2) */
export function requireParent(pid: number): Step {
  return { call: "getppid", args: [], passes: pid, about: "this program has ended" };
}

/** Prevents executions from gaining privileges. PR_SET_NO_NEW_PRIVS(2const) */
export function setNoNewPrivileges(): Step {
  return { call: "prctl", args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], about: "noNewPrivileges" };
}

/** Gives a signal its default action. rt_sigaction(2) */
export function resetAction(signal: number): Step {
  // The call fails for SIGKILL and SIGSTOP, which always have their default actions.
  return {
    call: "rt_sigaction",
    args: [signal, DEFAULT_ACTION, 0, SIGNAL_SET_SIZE],
    passes: "any",
  };
}

/** Ignores a signal. The program inherits that. rt_sigaction(2) */
export function ignoreSignal(signal: number): Step {
  return {
    call: "rt_sigaction",
    args: [signal, IGNORING, 0, SIGNAL_SET_SIZE],
    about: `ignoreSignals: ${signal}`,
  };
}

/** Unblocks all signals. rt_sigprocmask(2) */
export function unblockSignals(): Step {
  return { call: "rt_sigprocmask", args: [SIG_SETMASK, NO_SIGNAL, 0, SIGNAL_SET_SIZE] };
}

/** Strings as execve(2) takes them, in one block that several calls can use. */
export function stringVector(
  texts: readonly (string | Uint8Array)[],
  what: string,
): Uint8Array<ArrayBuffer> {
  return cStringArray(texts, what, addressOf);
}

/**
 * Executes the program. execve(2)
 *
 * @param argv Strings, or bytes without a NUL: not every file name is UTF-8.
 * @param environment The strings, from `stringVector`.
 */
export function execve(
  path: string,
  argv: readonly (string | Uint8Array)[],
  environment: Uint8Array<ArrayBuffer>,
): Step {
  checkCString(path, "command");
  for (const arg of argv) if (typeof arg === "string") checkCString(arg, "args");
  const isText = argv.every((arg) => typeof arg === "string");
  const vector = isText ? argv : stringVector(argv.map(withEnd), "args");
  return { call: "execve", args: [path, vector, environment], about: path };
}

/** Appends a NUL to bytes. */
function withEnd(text: string | Uint8Array): string | Uint8Array {
  if (typeof text === "string") return text;
  const bytes = new Uint8Array(text.length + 1);
  bytes.set(text);
  return bytes;
}

/** Ends the child. exit_group(2) */
export function exitGroup(status: number): Step {
  return { call: "exit_group", args: [status] };
}

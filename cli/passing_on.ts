/**
 * What a command gets from this program's own surroundings, as if it had been started in place of this
 * program: each open descriptor, each byte of its arguments, ignored signals, and the soft limit on
 * open files, which Deno has raised for itself.
 *
 * What can't be put right: Deno has `/dev/null` in place of a standard stream that was closed, and it
 * ignores SIGPIPE, so that nobody can know whether that was ignored before. The command's SIGPIPE acts
 * by default.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import {
  AT_FDCWD,
  discard,
  isInherited,
  O_RDONLY,
  openat,
  readDirectory,
  readFile,
  readTextFile,
} from "../ffi/files.ts";
import { parseStatus } from "../pidfd/proc_text.ts";
import type { LimitPair } from "../process/limits.ts";
import { FAILED, Failure } from "./failures.ts";
import { parseLimits } from "./limits.ts";

/** The first descriptor that is no standard stream. */
const FIRST_FURTHER = 3;
/** How far to look for descriptors where /proc doesn't tell which there are. */
const LOOKED_AT = 1024;

const encoder = new TextEncoder();

/** The descriptors that go on to the command: those that this program was started with. */
export function inheritedFds(): Record<number, number> {
  // Deno and the library open all of theirs close-on-exec.
  return Object.fromEntries(
    openNumbers().filter((fd) => fd >= FIRST_FURTHER && isInherited(fd)).map((fd) => [fd, fd]),
  );
}

function openNumbers(): number[] {
  return orElse(() => {
    const folder = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY);
    try {
      return readDirectory(folder).map(Number);
    } finally {
      discard(folder);
    }
  }, Array.from({ length: LOOKED_AT }, (_, fd) => fd));
}

/**
 * The last arguments of this program as they are: Deno has texts of them, in which bytes that aren't
 * UTF-8 are lost.
 *
 * @param args The same ones, by Deno.
 */
export function rawArguments(args: readonly string[]): (string | Uint8Array)[] {
  // What is lost has become this character.
  if (!args.some((arg) => arg.includes("\ufffd"))) return [...args];
  const bytes = orElse(() => readFile(AT_FDCWD, "/proc/self/cmdline"), null);
  if (bytes === null) {
    throw new Failure("arguments that aren't UTF-8 can't be read without /proc", FAILED);
  }
  const last = splitAtNul(bytes).slice(-args.length);
  return args.map((arg, i) => isTextOf(arg, last[i]) ? arg : last[i]);
}

/** Whether bytes are a text, and nothing of them is lost in it. */
function isTextOf(text: string, bytes: Uint8Array): boolean {
  const encoded = encoder.encode(text);
  return encoded.length === bytes.length && encoded.every((byte, i) => byte === bytes[i]);
}

function splitAtNul(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    start = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}

/**
 * The limit on open files to give the command. Deno raises its own soft limit to the hard one. This
 * program's parent still has the original limits, unless its hard limit differs. Undefined if nothing
 * was raised, or if the parent's limits can't be read.
 */
export function originalOpenFiles(): LimitPair | undefined {
  return orElse(() => {
    const { ppid } = parseStatus(readTextFile(AT_FDCWD, "/proc/self/status"));
    if (ppid === 0) return undefined;
    const own = parseLimits(readTextFile(AT_FDCWD, "/proc/self/limits")).nofile;
    const theirs = parseLimits(readTextFile(AT_FDCWD, `/proc/${ppid}/limits`)).nofile;
    if (!own || !theirs || own.hard !== theirs.hard) return undefined;
    if (theirs.soft === null || theirs.soft === own.soft) return undefined;
    return { soft: theirs.soft, hard: theirs.hard ?? Infinity };
  }, undefined);
}

/** What a look returns, or something else where /proc doesn't allow it. */
function orElse<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof SyscallError) return otherwise;
    throw error;
  }
}

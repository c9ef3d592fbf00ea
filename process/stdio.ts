/**
 * Which fds a new process gets: standard input, output and error, and others by number.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { discard, duplicate, isInherited, isOpen, pipe } from "../ffi/files.ts";
import { checkInteger, checkRecord } from "../pidfd/arguments.ts";
import { fdNumber } from "../pidfd/fd_number.ts";
import { type OwnedFd, ownFd } from "../pidfd/owned_fd.ts";
import type { PidFd } from "../pidfd/pidfd.ts";

/**
 * What a process gets as one of its standard streams: a pipe to this program, what this
 * program has itself, nothing (`/dev/null`), or a duplicate of a descriptor.
 */
export type Stdio = "piped" | "inherit" | "null" | OwnedFd | PidFd | number;

/** The part of the options that the fds depend on. */
export interface StdioOptions {
  readonly stdin?: Stdio;
  readonly stdout?: Stdio;
  readonly stderr?: Stdio;
  readonly fds?: Readonly<Record<number, OwnedFd | PidFd | number>>;
}

/** This program's ends of the pipes. */
export interface PipeEnds {
  stdin?: OwnedFd;
  stdout?: OwnedFd;
  stderr?: OwnedFd;
}

/** The fds of a process that is about to start. */
export interface Wiring {
  /** Each fd of the process, and what it is a duplicate of. */
  readonly fds: ReadonlyMap<number, number | "null">;
  readonly ends: PipeEnds;
  /** Closes what only the process needs, once it has it or can't be started. */
  release(): void;
}

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** Makes the pipes, and sees that no fd is overwritten before it was duplicated. */
export function wire(options: StdioOptions): Wiring {
  const fds = new Map<number, number | "null">();
  const ends: PipeEnds = {};
  const temporary: number[] = [];
  const release = () => temporary.splice(0).forEach(discard);
  try {
    // Before anything is opened: a number that isn't open must not come to mean one of the pipes.
    STREAMS.forEach((name, target) => {
      const stdio = options[name] ?? "inherit";
      if (stdio === "piped") return;
      if (stdio === "null") {
        fds.set(target, "null");
      } else if (stdio === "inherit") {
        // What this program has closed is closed there, too; and the number may have gone to an
        // fd of Deno's or ours.
        if (isInherited(target)) fds.set(target, target);
      } else {
        fds.set(target, source(`options.${name}`, stdio));
      }
    });
    const { fds: more = {} } = options;
    checkRecord("options.fds", more);
    for (const [key, value] of Object.entries(more)) {
      const target = Number(key);
      checkInteger(`options.fds: ${key}`, target, STREAMS.length, 2 ** 31 - 1);
      fds.set(target, source(`options.fds[${key}]`, value));
    }
    STREAMS.forEach((name, target) => {
      if (options[name] !== "piped") return;
      const { read, write } = pipe();
      const [theirs, ours] = name === "stdin" ? [read, write] : [write, read];
      ends[name] = ownFd(ours);
      temporary.push(theirs);
      fds.set(target, theirs);
    });
    // The process makes its duplicates one after another: what is to be duplicated must not
    // have a number that gets another meaning before.
    for (const [target, from] of fds) {
      if (from === "null" || from === target || !fds.has(from)) continue;
      let moved: number;
      do temporary.push(moved = duplicate(from)); while (fds.has(moved));
      fds.set(target, moved);
    }
    return { fds, ends, release };
  } catch (error) {
    release();
    closeEnds(ends);
    throw error;
  }
}

/** Closes this program's ends of the pipes, and with them the streams on them. */
export function closeEnds(ends: PipeEnds): void {
  for (const name of STREAMS) ends[name]?.close();
}

function source(name: string, value: OwnedFd | PidFd | number): number {
  if (typeof value === "string") {
    const words = '"piped", "inherit", "null"';
    throw new RangeError(`${name} must be ${words} or a descriptor: ${JSON.stringify(value)}`);
  }
  const fd = fdNumber(name, value);
  if (isOpen(fd)) return fd;
  throw failure("posix_spawn", Errno.EBADF, { [Errno.EBADF]: `${name}: ${fd} is not open` });
}

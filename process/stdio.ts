/**
 * Which fds a new process gets: standard input, output and error, and others by number.
 *
 * @module
 */

import {
  AT_FDCWD,
  discard,
  duplicate,
  isInherited,
  isOpen,
  O_RDWR,
  openat,
  pipe,
} from "../ffi/files.ts";
import { notOpen } from "../ffi/launch_failure.ts";
import type { TerminalSize } from "../ffi/terminals.ts";
import { checkRecord, show } from "../pidfd/arguments.ts";
import { fdNumber } from "../pidfd/fd_number.ts";
import { OwnedFd, ownFd } from "../pidfd/owned_fd.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { makeTerminal, type TerminalEnds } from "./terminal.ts";

/**
 * What a process gets as one of its standard streams: a pipe to this program, what this
 * program has itself, nothing (`/dev/null`), or a duplicate of a descriptor.
 */
export type Stdio = "piped" | "inherit" | "null" | OwnedFd | PidFd | number;

/** The part of the options that the fds depend on. */
export interface StdioOptions {
  readonly stdin?: Stdio;
  readonly stdout?: Stdio;
  readonly stderr?: Stdio | "stdout";
  readonly fds?: Readonly<Record<number, OwnedFd | PidFd | number>>;
}

/** This program's ends of the pipes. */
export interface PipeEnds {
  stdin?: OwnedFd;
  stdout?: OwnedFd;
  stderr?: OwnedFd;
}

/** All that this program has of a process. */
export interface Ends extends PipeEnds {
  terminal?: TerminalEnds;
}

/** The fds of a process that is about to start. */
export interface Wiring {
  /** Each fd of the process, and the fd of ours that it is a duplicate of. */
  readonly fds: ReadonlyMap<number, number>;
  /** Those of them that go on to it by themselves. */
  readonly inherited: ReadonlySet<number>;
  readonly ends: Ends;
  /** Closes what only the process needs, once it has it or can't be started. */
  release(): void;
}

const STREAMS = ["stdin", "stdout", "stderr"] as const;
const [, STDOUT, STDERR] = STREAMS.keys();
const NULL_DEVICE = "/dev/null";
/** The highest number that an fd can have. */
const LAST_FD = 2 ** 31 - 1;

/**
 * Makes the pipes and the terminal, and sees that no fd is overwritten before it was duplicated.
 *
 * @param size The size of the terminal that the process has, and that its streams are unless told
 *   otherwise.
 */
export function wire(options: StdioOptions, size?: TerminalSize): Wiring {
  const fds = new Map<number, number>();
  const inherited = new Set<number>();
  const ends: Ends = {};
  const temporary: number[] = [];
  const release = () => temporary.splice(0).forEach(discard);
  try {
    // Before anything is opened: a number that isn't open must not come to mean one of the pipes.
    STREAMS.forEach((name, target) => {
      if (size && options[name] === undefined) return;
      const stdio = options[name] === undefined ? "inherit" : options[name];
      if (stdio === "piped" || stdio === "null") return;
      if (stdio === "stdout" && target === STDERR) return;
      // A stream that this program has closed stays closed in the child. Its number can belong to
      // another file by now.
      if (stdio !== "inherit") fds.set(target, source(`options.${name}`, stdio));
      else if (isInherited(target)) {
        fds.set(target, target);
        inherited.add(target);
      }
    });
    addFurther(fds, options.fds);
    STREAMS.forEach((name, target) => {
      if (options[name] !== "piped") return;
      const { read, write } = pipe();
      const [theirs, ours] = name === "stdin" ? [read, write] : [write, read];
      ends[name] = ownFd(ours);
      temporary.push(theirs);
      fds.set(target, theirs);
    });
    if (size) {
      ends.terminal = makeTerminal(size);
      const far = ends.terminal.far.fd;
      STREAMS.forEach((name, target) => {
        if (options[name] === undefined) fds.set(target, far);
      });
    }
    const silent = STREAMS.flatMap((name, target) => options[name] === "null" ? [target] : []);
    if (silent.length > 0) {
      const nothing = openat(AT_FDCWD, NULL_DEVICE, O_RDWR);
      temporary.push(nothing);
      for (const target of silent) fds.set(target, nothing);
    }
    if (options.stderr === "stdout") {
      const stdout = fds.get(STDOUT);
      if (stdout !== undefined) fds.set(STDERR, stdout);
    }
    // The process makes its duplicates one after another: what is to be duplicated must not
    // have a number that gets another meaning before.
    for (const [target, from] of fds) {
      if (from === target || (fds.get(from) ?? from) === from) continue;
      let moved: number;
      do temporary.push(moved = duplicate(from)); while (fds.has(moved));
      fds.set(target, moved);
    }
    return { fds, inherited, ends, release };
  } catch (error) {
    release();
    closeEnds(ends);
    throw error;
  }
}

/** Adds what the option `fds` names. */
function addFurther(fds: Map<number, number>, further: StdioOptions["fds"] = {}): void {
  checkRecord("options.fds", further);
  for (const [key, value] of Object.entries(further)) {
    // Only as numbers are written: "0x10" and " 7 " would be numbers, too.
    if (!/^[1-9]\d*$/.test(key) || Number(key) < STREAMS.length || Number(key) > LAST_FD) {
      const range = `${STREAMS.length}…${LAST_FD}`;
      throw new RangeError(`options.fds: ${key} must be the number of a descriptor in ${range}`);
    }
    fds.set(Number(key), source(`options.fds[${key}]`, value));
  }
}

/** Closes this program's ends, and with them the streams on the pipes. */
export function closeEnds({ terminal, ...pipes }: Ends): void {
  for (const name of STREAMS) pipes[name]?.close();
  terminal?.near.close();
  terminal?.far.close();
}

function source(name: string, value: OwnedFd | PidFd | number | string): number {
  if (typeof value === "string") {
    throw new RangeError(`${name} must be ${words(name)} or a descriptor: ${show(value)}`);
  }
  if (typeof value !== "number" && !(value instanceof OwnedFd) && !(value instanceof PidFd)) {
    throw new TypeError(
      `${name} must be ${words(name)} or a descriptor (a number, an OwnedFd, a PidFd): ` +
        `${show(value)}${hint(name, value)}`,
    );
  }
  const fd = fdNumber(name, value);
  if (isOpen(fd)) return fd;
  throw notOpen(`${name}: ${fd}`);
}

/** The words that stand for a stream. */
function words(name: string): string {
  return `"piped", "inherit", "null"${name === "options.stderr" ? ', "stdout"' : ""}`;
}

/** What to do with something that other libraries take. */
function hint(name: string, value: unknown): string {
  if (value instanceof Deno.FsFile || value instanceof URL) {
    return "; open the file by OwnedFd.open";
  }
  if (value instanceof ReadableStream || value instanceof WritableStream) {
    return `; a stream is connected by pipeTo, with ${name}: "piped"`;
  }
  return "";
}

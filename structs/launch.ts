/**
 * What a child does between its birth and its program, as the launcher's machine code reads it:
 * `job`, `step` and `outcome` are our own; the others are the kernel's.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { array, i32, u64, word } from "./scalars.ts";

/** The system call that a child is born by: its number and its arguments. */
const birth = struct("birth", { number: word, args: array(word, 5) });

/** All that one launch consists of. */
export const job = struct("job", {
  birth,
  /** The address of the first step. */
  steps: word,
  /** The address of the outcome. */
  outcome: word,
  /** The signals that are blocked meanwhile: all. */
  blocked: u64,
  /** Those that were blocked before. */
  mask: u64,
  /** What blocking them came to: 0 or −errno. */
  blocking: word,
  /** What the birth came to: the child's PID or −errno. */
  child: word,
});

/** How many arguments a system call has at most. */
const ARGUMENTS = 6;

/** One system call of a child. It goes on if the result lies in `least`…`most`. */
export const step = struct("step", {
  number: word,
  args: array(word, ARGUMENTS),
  least: word,
  most: word,
});

/** The lower and the upper half of each word. */
const HALVES = 2;
/** What the upper half counts in. */
const UPPER = 2 ** 32;

/**
 * The steps of a job, which stand in a row. There are many at each start of a process, so that
 * they are written as the words that they consist of.
 */
export class StepTable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #halves: Uint32Array<ArrayBuffer>;

  /** @param length How many steps there is room for. */
  constructor(readonly length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length * step.size));
    this.#halves = new Uint32Array(this.bytes.buffer);
  }

  /** Writes one of them. */
  write(index: number, number: number, args: readonly number[], least: number, most: number): void {
    const first = index * step.size / word.size;
    this.#put(first, number);
    for (let i = 0; i < ARGUMENTS; i++) this.#put(first + 1 + i, args[i] ?? 0);
    this.#put(first + 1 + ARGUMENTS, least);
    this.#put(first + 2 + ARGUMENTS, most);
  }

  /** Both halves take from a number what fits in, as two's complement. */
  #put(index: number, value: number): void {
    this.#halves[HALVES * index] = value;
    this.#halves[HALVES * index + 1] = Math.floor(value / UPPER);
  }
}

/** What a child leaves behind. */
export const outcome = struct("outcome", {
  /** The result that it can't go on with. */
  result: word,
  /** The address of the step that this is the result of; 0 if it has gone on to the end. */
  step: word,
  /** The PID of the process that goes on in its place; 0 if it goes on itself. */
  heir: word,
});

/** `struct clone_args` (`<linux/sched.h>`) as of Linux 5.7, which brought `cgroup`. clone3(2) */
export const cloneArgs = struct("struct clone_args", {
  flags: word,
  pidfd: word,
  child_tid: word,
  parent_tid: word,
  exit_signal: word,
  stack: word,
  stack_size: word,
  tls: word,
  set_tid: word,
  set_tid_size: word,
  cgroup: word,
});

/** `CLONE_ARGS_SIZE_VER0` (`<linux/sched.h>`): how much of it Linux 5.3 knows. */
export const CLONE_ARGS_SIZE_VER0 = cloneArgs.offsets.set_tid;

/** Where the kernel stores a pidfd. */
export const outInt = struct("int", { value: i32 });

/**
 * `struct sigaction` as the kernel itself has it, which differs from libc's. All zero is the
 * default action. rt_sigaction(2)
 */
export const kernelSigaction = struct("struct kernel_sigaction", {
  sa_handler: u64,
  sa_flags: u64,
  sa_restorer: u64,
  sa_mask: u64,
});

/** `struct rlimit64` (`<sys/resource.h>`), for prlimit(2). */
export const rlimit64 = struct("struct rlimit64", { rlim_cur: u64, rlim_max: u64 });

/** `RLIM64_INFINITY` (`<sys/resource.h>`) */
export const RLIM64_INFINITY = 2n ** 64n - 1n;

/**
 * The structs of the launcher. Its machine code reads `job` and `step` and writes `outcome`: these
 * are our own. The other structs are the kernel's.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { array, i32, u64, word } from "./scalars.ts";

/** The system call that starts the child: its number and its arguments. */
const birth = struct("birth", { number: word, args: array(word, 5) });

/** One launch. */
export const job = struct("job", {
  birth,
  /** The address of the first step. */
  steps: word,
  /** The address of the outcome. */
  outcome: word,
  /** The signals to block during the launch: all. */
  blocked: u64,
  /** The signals that were blocked before. */
  mask: u64,
  /** The result of blocking the signals: 0 or −errno. */
  blocking: word,
  /** The result of the birth: the child's PID or −errno. */
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

/** A word has a lower and an upper half. */
const HALVES = 2;
/** The value of one unit of the upper half. */
const UPPER = 2 ** 32;

/**
 * The steps of a job, in a row. They are written word by word instead of by their struct: there are
 * many of them at each start of a process, and this is faster.
 */
export class StepTable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #halves: Uint32Array<ArrayBuffer>;

  /** @param length The number of steps that fit in. */
  constructor(readonly length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length * step.size));
    this.#halves = new Uint32Array(this.bytes.buffer);
  }

  /** Writes one step. */
  write(index: number, number: number, args: readonly number[], least: number, most: number): void {
    const first = index * step.size / word.size;
    this.#put(first, number);
    for (let i = 0; i < ARGUMENTS; i++) this.#put(first + 1 + i, args[i] ?? 0);
    this.#put(first + 1 + ARGUMENTS, least);
    this.#put(first + 2 + ARGUMENTS, most);
  }

  /** A Uint32Array's elements cut a number to 32 bits, in two's complement. */
  #put(index: number, value: number): void {
    this.#halves[HALVES * index] = value;
    this.#halves[HALVES * index + 1] = Math.floor(value / UPPER);
  }
}

/** A child's note about a step that failed. */
export const outcome = struct("outcome", {
  /** The result of the step. */
  result: word,
  /** The address of the step; 0 if no step failed. */
  step: word,
  /** The PID of the heir, which continues the child's steps; 0 if there is none. */
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

/** `CLONE_ARGS_SIZE_VER0` (`<linux/sched.h>`): the size of the struct in Linux 5.3. */
export const CLONE_ARGS_SIZE_VER0 = cloneArgs.offsets.set_tid;

/** Where the kernel stores a pidfd. */
export const outInt = struct("int", { value: i32 });

/**
 * The kernel's `struct sigaction`, which differs from libc's. All zero means the default action.
 * rt_sigaction(2)
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

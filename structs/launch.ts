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

/**
 * Writes one of the steps that stand in a row. There are many at each start of a process, so that
 * each field is written by itself.
 */
export function writeStep(
  view: DataView,
  index: number,
  number: number,
  args: readonly number[],
  least: number,
  most: number,
): void {
  const at = index * step.size;
  word.write(view, at + step.offsets.number, number);
  for (let i = 0; i < ARGUMENTS; i++) {
    word.write(view, at + step.offsets.args + i * word.size, args[i] ?? 0);
  }
  word.write(view, at + step.offsets.least, least);
  word.write(view, at + step.offsets.most, most);
}

/** What a child leaves behind that can't go on: the result, and the address of the step. */
export const outcome = struct("outcome", { result: word, step: word });

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

/**
 * The objects of posix_spawn(3). glibc keeps their fields to itself: only their sizes and
 * alignments are part of its ABI, and functions fill them in.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { aligned, bytes, i32, u64 } from "./scalars.ts";

/** `posix_spawn_file_actions_t` (`<spawn.h>`) */
export const spawnFileActions = struct("posix_spawn_file_actions_t", {
  opaque: aligned(8, bytes(80)),
});

/** `posix_spawnattr_t` (`<spawn.h>`) */
export const spawnAttributes = struct("posix_spawnattr_t", {
  opaque: aligned(8, bytes(336)),
});

/** `sigset_t` (`<signal.h>`): a bit for each of 1,024 signals. All zero is the empty set. */
export const sigset = struct("sigset_t", { bits: aligned(8, bytes(128)) });

/** `struct sigaction` as libc has it (sigaction(2)). All zero is the default action. */
export const sigaction = struct("struct sigaction", {
  sa_handler: u64,
  sa_mask: bytes(sigset.size),
  sa_flags: i32,
  sa_restorer: u64,
});

/** What posix_spawn stores a PID in, and pidfd_spawn a pidfd. */
export const outInt = struct("int", { value: i32 });

/** What pipe2(2) stores the two ends in. */
export const pipeEnds = struct("int[2]", { read: i32, write: i32 });

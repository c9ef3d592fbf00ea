/**
 * `siginfo_t` (sigaction(2), `<asm-generic/siginfo.h>`): 128 bytes. The first three ints are common
 * to all signals. A union that depends on the signal follows. It contains pointers, so it starts at
 * a multiple of 8.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { aligned, i32, i64, u32 } from "./scalars.ts";

/** SI_MAX_SIZE */
const SIZE = { size: 128 };

const header = { si_signo: i32, si_errno: i32, si_code: i32 };

/** The form for SIGCHLD, which waitid(2) fills. */
export const siginfoChild = struct("siginfo_t", {
  ...header,
  si_pid: aligned(8, i32),
  si_uid: u32,
  si_status: i32,
  si_utime: i64,
  si_stime: i64,
}, SIZE);

/** The form for a signal with a value, which pidfd_send_signal(2) takes. */
export const siginfoQueue = struct("siginfo_t", {
  ...header,
  si_pid: aligned(8, i32),
  si_uid: u32,
  si_int: aligned(8, i32),
}, SIZE);

/** `si_code` of a child that called exit; `si_status` is its exit code. */
export const CLD_EXITED = 1;
/** `si_code` of a child that a signal killed; `si_status` is the signal. */
export const CLD_KILLED = 2;
/** As CLD_KILLED, and the child dumped core. */
export const CLD_DUMPED = 3;
/** `si_code` of sigqueue(3). The kernel refuses codes that claim another kind of sender. */
export const SI_QUEUE = -1;

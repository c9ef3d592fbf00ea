/**
 * `struct pidfd_info`, which PIDFD_GET_INFO fills (Linux 6.13, `<linux/pidfd.h>`).
 *
 * The kernel accepts every size from the first on, and fills the fields that it knows and that fit.
 * The returned `mask` tells which fields are valid. The third size is not a prefix of the fourth:
 * `supported_mask` moved from offset 72 to 80. So the library uses the second size, the largest
 * that all later kernels fill in the same way.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { i32, u32, u64 } from "./scalars.ts";

const ver0 = {
  mask: u64,
  cgroupid: u64,
  pid: u32,
  tgid: u32,
  ppid: u32,
  ruid: u32,
  rgid: u32,
  euid: u32,
  egid: u32,
  suid: u32,
  sgid: u32,
  fsuid: u32,
  fsgid: u32,
  exit_code: i32,
};

const coredump = { coredump_mask: u32, coredump_signal: u32 };

/** PIDFD_INFO_SIZE_VER0, Linux 6.13. */
export const pidfdInfoVer0 = struct("pidfd_info", ver0);

/** PIDFD_INFO_SIZE_VER1, Linux 6.16: adds facts about a core dump. */
export const pidfdInfoVer1 = struct("pidfd_info", { ...ver0, ...coredump });

/** PIDFD_INFO_SIZE_VER2: adds the mask bits that the kernel knows. */
export const pidfdInfoVer2 = struct("pidfd_info", { ...ver0, ...coredump, supported_mask: u64 });

/** PIDFD_INFO_SIZE_VER3, as in the headers of Linux 7.3. */
export const pidfdInfoVer3 = struct("pidfd_info", {
  ...ver0,
  ...coredump,
  coredump_code: u32,
  coredump_pad: u32,
  supported_mask: u64,
});

/** `pid`, `tgid` and `ppid` are valid. */
export const PIDFD_INFO_PID = 1n << 0n;
/** The eight credential fields are valid. */
export const PIDFD_INFO_CREDS = 1n << 1n;
/** `cgroupid` is valid. */
export const PIDFD_INFO_CGROUPID = 1n << 2n;
/** `exit_code` is valid; only on request, and only once the process was reaped (Linux 6.15). */
export const PIDFD_INFO_EXIT = 1n << 3n;
/** `supported_mask` is valid; only on request (Linux 6.19). */
export const PIDFD_INFO_SUPPORTED_MASK = 1n << 5n;
/** `coredump_signal` is valid (Linux 6.19). */
export const PIDFD_INFO_COREDUMP_SIGNAL = 1n << 6n;

/** In `coredump_mask`: the process makes a core dump, or has made one. */
export const PIDFD_COREDUMPED = 1 << 0;

/** `coredump_mask` is valid; from Linux 6.16 on also for a running process. */
export const PIDFD_INFO_COREDUMP = 1n << 4n;

/**
 * Facts about a file and its file system: `struct statx` (statx(2), `<linux/stat.h>`) and `struct
 * statfs` (fstatfs(2), `<asm-generic/statfs.h>`). Unlike `struct stat`, `struct statx` is the same
 * on every architecture.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { array, bytes, i32, i64, u16, u32, u64 } from "./scalars.ts";

/** The fields up to `stx_ino`; later ones are not used. */
export const statx = struct("statx", {
  stx_mask: u32,
  stx_blksize: u32,
  stx_attributes: u64,
  stx_nlink: u32,
  stx_uid: u32,
  stx_gid: u32,
  stx_mode: u16,
  __spare0: u16,
  stx_ino: u64,
}, { size: 256 });

export const statfs = struct("statfs", {
  f_type: i64,
  f_bsize: i64,
  f_blocks: u64,
  f_bfree: u64,
  f_bavail: u64,
  f_files: u64,
  f_ffree: u64,
  f_fsid: array(i32, 2),
  f_namelen: i64,
  f_frsize: i64,
  f_flags: i64,
  f_spare: bytes(32),
});

/** Requests the file's type in `stx_mode`. */
export const STATX_TYPE = 0x1;
/** Requests `stx_ino`. */
export const STATX_INO = 0x100;
/** The bits of `stx_mode` with the file's type. */
export const S_IFMT = 0o170000;
/** A regular file. */
export const S_IFREG = 0o100000;
/** `f_type` of pidfs, the file system of pidfds from Linux 6.9 on (`<linux/magic.h>`). */
export const PID_FS_MAGIC = 0x50494446n;
/** `f_type` of the unified cgroup hierarchy (`<linux/magic.h>`). */
export const CGROUP2_SUPER_MAGIC = 0x63677270n;

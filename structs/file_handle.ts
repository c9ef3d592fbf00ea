/**
 * `struct file_handle` (open_by_handle_at(2)) of pidfs: a process's handle is its 64-bit id.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { aligned, i32, u32, u64 } from "./scalars.ts";

/** `f_handle` is a byte array in C, at offset 8. Here it is the id itself. */
export const pidfsHandle = struct("file_handle", {
  handle_bytes: u32,
  handle_type: i32,
  f_handle: aligned(8, u64),
});

/** `handle_type` of file systems that number their files themselves (`<linux/exportfs.h>`). */
export const FILEID_KERNFS = 0xfe;

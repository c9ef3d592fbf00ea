/**
 * `struct file_handle` (open_by_handle_at(2)) as pidfs makes it: the handle of a process is its
 * 64-bit id.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { aligned, i32, u32, u64 } from "./scalars.ts";

/** The handle's own bytes are aligned like those around them, and so the id is at 8. */
export const pidfsHandle = struct("file_handle", {
  handle_bytes: u32,
  handle_type: i32,
  f_handle: aligned(8, u64),
});

/** `handle_type` of file systems that number their files themselves (`<linux/exportfs.h>`). */
export const FILEID_KERNFS = 0xfe;

/**
 * `struct linux_dirent64` (getdents64(2)): records of varying length. Each has a fixed head,
 * followed by a NUL-terminated name.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { fromCString } from "./cstring.ts";
import { i64, u16, u64, u8 } from "./scalars.ts";

/** The head of a record. The name begins directly after `d_type`, not after the padding. */
export const direntHead = struct("linux_dirent64", {
  d_ino: u64,
  d_off: i64,
  d_reclen: u16,
  d_type: u8,
});

const NAME_OFFSET = direntHead.offsets.d_type + 1;

/** The names in a buffer that getdents64 filled. */
export function direntNames(records: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at < records.length;) {
    const { d_reclen } = direntHead.decode(records.subarray(at, at + direntHead.size));
    if (d_reclen <= NAME_OFFSET || at + d_reclen > records.length) {
      throw new RangeError(`linux_dirent64: a record of ${d_reclen} bytes at ${at}`);
    }
    names.push(fromCString(records.subarray(at + NAME_OFFSET, at + d_reclen)));
    at += d_reclen;
  }
  return names;
}

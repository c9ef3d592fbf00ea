/**
 * Large memory that is filled at once.
 *
 * The kernel maps a page at the first write to it, by a page fault. A fault for each 4 KiB takes
 * longer than the copying itself. With huge pages there is one fault for each 2 MiB.
 *
 * @module
 */

import { attempt } from "./call.ts";
import { addressOf, libcWith } from "./libc.ts";

/** `<asm-generic/mman-common.h>` */
const MADV_HUGEPAGE = 14;

/** A huge page of x86-64, and of arm64 with pages of 4 KiB. */
const HUGE_PAGE = 2 * 1024 * 1024;

/** The smallest size for which huge pages pay off. */
const MUCH = 4 * HUGE_PAGE;

/** libc with the function for this, opened at first use. */
const memoryLibc = libcWith({
  // int madvise(void *addr, size_t length, int advice);
  madvise: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t length
      "i32", // int advice
    ],
    result: "i32",
  },
});

/** Memory for `length` bytes, all of which will be written. */
export function memoryFor(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  if (length >= MUCH) adviseHugePages(bytes);
  return bytes;
}

/** Asks for huge pages where whole ones fit. It only makes things faster. madvise(2) */
function adviseHugePages(bytes: Uint8Array<ArrayBuffer>): void {
  try {
    const start = Number(addressOf(bytes));
    const first = Math.ceil(start / HUGE_PAGE) * HUGE_PAGE;
    const last = Math.floor((start + bytes.length) / HUGE_PAGE) * HUGE_PAGE;
    attempt(() => memoryLibc().madvise(BigInt(first), BigInt(last - first), MADV_HUGEPAGE));
  } catch {
    // Opening the function needs a descriptor and the FFI permission. If either is missing by now,
    // the caller's data must not be lost for it.
  }
}

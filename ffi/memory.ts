/**
 * Memory that is filled as soon as it is there.
 *
 * The kernel gives a page of memory when something is first written to it: one fault for each 4 KiB
 * takes longer than the copying itself. A huge page takes one for 2 MiB.
 *
 * @module
 */

import { attempt } from "./call.ts";
import { addressOf, libcWith } from "./libc.ts";

/** `<asm-generic/mman-common.h>` */
const MADV_HUGEPAGE = 14;

/** A huge page of x86-64, and of arm64 with pages of 4 KiB. */
const HUGE_PAGE = 2 * 1024 * 1024;

/** From how much on it pays to ask. */
const MUCH = 4 * HUGE_PAGE;

/** libc with what this takes. */
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

/** Memory for so many bytes, all of which are going to be written. */
export function memoryFor(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  if (length >= MUCH) adviseHugePages(bytes);
  return bytes;
}

/** Asks for huge pages where whole ones fit in. Without them all is as well, but slower. madvise(2) */
function adviseHugePages(bytes: Uint8Array<ArrayBuffer>): void {
  try {
    const start = Number(addressOf(bytes));
    const first = Math.ceil(start / HUGE_PAGE) * HUGE_PAGE;
    const last = Math.floor((start + bytes.length) / HUGE_PAGE) * HUGE_PAGE;
    attempt(() => memoryLibc().madvise(BigInt(first), BigInt(last - first), MADV_HUGEPAGE));
  } catch {
    // To open libc's function takes a descriptor and the permission, and either can be gone by now.
    // What was read so far is not lost for that.
  }
}

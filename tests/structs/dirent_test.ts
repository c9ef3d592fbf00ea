/**
 * Names out of what getdents64 fills a buffer with.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { direntHead, direntNames } from "../../structs/dirent.ts";

/** Where the name begins (getdents64(2)): behind `d_type`, in what would be padding. */
const NAME_OFFSET = 19;

/** A record as the kernel makes it: the name with its NUL, up to a multiple of 8 bytes. */
function record(name: Uint8Array, length?: number): Uint8Array {
  const size = Math.ceil((NAME_OFFSET + name.length + 1) / 8) * 8;
  // The kernel doesn't clear what is behind the NUL.
  const bytes = new Uint8Array(size).fill(0xee);
  bytes.set(direntHead.encode({ d_ino: 5n, d_off: -1n, d_reclen: length ?? size, d_type: 8 }));
  bytes.set(name, NAME_OFFSET);
  bytes[NAME_OFFSET + name.length] = 0;
  return bytes;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function join(...records: Uint8Array[]): Uint8Array {
  return new Uint8Array(records.flatMap((bytes) => [...bytes]));
}

Deno.test("direntNames() reads the name of every record, in their order", () => {
  const names = [".", "..", "four", "abcde", "a name of another length", "x".repeat(255), "ä\n"];
  assertEquals(direntNames(join(...names.map((name) => record(encode(name))))), names);
});

Deno.test("direntNames() reads nothing from an empty buffer", () => {
  assertEquals(direntNames(new Uint8Array()), []);
});

Deno.test("direntNames() reads a part of a larger buffer", () => {
  const larger = join(new Uint8Array([1, 2, 3]), record(encode("name")), new Uint8Array(9));
  assertEquals(direntNames(larger.subarray(3, -9)), ["name"]);
});

Deno.test("direntNames() decodes what is not UTF-8 to U+FFFD", () => {
  assertEquals(direntNames(record(new Uint8Array([97, 0xff]))), ["a\ufffd"]);
});

Deno.test("direntNames() refuses a record that can't be one, instead of running on", () => {
  const good = record(encode("good"));
  for (const length of [0, NAME_OFFSET, 32, 0xffff]) {
    assertThrows(
      () => direntNames(join(good, record(encode("bad"), length))),
      RangeError,
      `linux_dirent64: a record of ${length} bytes at ${good.length}`,
    );
  }
});

Deno.test("direntNames() refuses a record whose head is cut short", () => {
  const bytes = record(encode("name"));
  for (const length of [1, direntHead.size - 1]) {
    assertThrows(
      () => direntNames(bytes.subarray(0, length)),
      RangeError,
      `linux_dirent64 has 24 bytes, not ${length}`,
    );
  }
});

/**
 * errno, and memory that only libc can reach.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { addressOf, describeErrno, lastErrno, libc } from "../../ffi/libc.ts";
import { cStringArray, fromCString } from "../../structs/cstring.ts";
import { u64 } from "../../structs/scalars.ts";
import { setErrno } from "../support/errno.ts";
import { ROOT, runForValue } from "../support/processes.ts";

const PIDFD_OPEN = 434;

Deno.test("libc() is opened once", () => {
  assert(libc() === libc());
});

Deno.test("lastErrno() is the error of the call before", () => {
  assertEquals(libc().close(-1), -1);
  assertEquals(lastErrno(), Errno.EBADF);
  assertEquals(libc().syscall_pidfd_open(PIDFD_OPEN, 2 ** 31 - 1, 0), -1);
  assertEquals(lastErrno(), Errno.ESRCH);
});

Deno.test("lastErrno() stays right while the garbage collector works", () => {
  for (let i = 1; i <= 20_000; i++) {
    // Something to collect.
    new Array(100).fill(i).map(String);
    setErrno(i);
    assertEquals(lastErrno(), i);
  }
});

Deno.test("libc is there to read errno before the first call that can fail", async () => {
  const opened = await runForValue(`
    import { socketLibc } from "${ROOT}ffi/socket_symbols.ts";
    const { dlopen } = Deno;
    const opened = [];
    Deno.dlopen = (path, table) => {
      opened.push("__errno_location" in table);
      return dlopen(path, table);
    };
    socketLibc();
    socketLibc();
    console.log(JSON.stringify(opened));
  `);
  assertEquals(opened, [true, false]);
});

Deno.test("describeErrno() has libc's words for an error", () => {
  assertEquals(describeErrno(Errno.ESRCH), "No such process");
  assertEquals(describeErrno(9999), "Unknown error 9999");
});

/** Reads memory by its address. */
function peek(address: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  libc().memcpy_from_address(bytes, address, BigInt(length));
  return bytes;
}

Deno.test("addressOf() tells where a buffer is, be it small or large", () => {
  for (const length of [1, 8, 64, 4096, 1 << 20]) {
    const bytes = new Uint8Array(length).fill(7);
    const address = addressOf(bytes);
    bytes[length - 1] = 9;
    assertEquals(peek(address, length), bytes);
  }
});

Deno.test("addressOf() tells where a part of a buffer is", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  assertEquals(addressOf(bytes.subarray(2)), addressOf(bytes) + 2n);
  assertEquals([...peek(addressOf(bytes.subarray(2)), 2)], [3, 4]);
});

Deno.test("addressOf() stays true while the garbage collector moves things", () => {
  const kept = Array.from({ length: 2000 }, (_, i) => new Uint8Array([i & 0xff, i >> 8]));
  const addresses = kept.map((bytes) => addressOf(bytes));
  gc();
  assertEquals(addresses.map((address) => peek(address, 2)), kept);
});

Deno.test("cStringArray() with addressOf() makes strings that libc finds", () => {
  const texts = ["first", "", "ä".repeat(100)];
  const pointers = cStringArray(texts, "texts", addressOf);
  const view = new DataView(pointers.buffer);
  const found = texts.map((_, i) => {
    const address = u64.read(view, i * u64.size);
    return fromCString(peek(address, Number(libc().strnlen(address, 1000n))));
  });
  assertEquals(found, texts);
});

declare const gc: () => void;

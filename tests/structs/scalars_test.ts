/**
 * Each C type by itself: what its bytes are, and what it refuses to hold.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  aligned,
  array,
  bytes,
  type CType,
  i16,
  i32,
  i64,
  u16,
  u32,
  u64,
  u8,
  word,
} from "../../structs/scalars.ts";

/** Where values are written to: not at the beginning, so that the offset counts. */
const OFFSET = 3;

function encode<T>(type: CType<T>, value: T): number[] {
  const memory = new Uint8Array(OFFSET + type.size + 1);
  type.write(new DataView(memory.buffer), OFFSET, value);
  assertEquals([...memory.slice(0, OFFSET), memory.at(-1)], [0, 0, 0, 0]);
  return [...memory.slice(OFFSET, -1)];
}

function decode<T>(type: CType<T>, ...values: number[]): T {
  const memory = new Uint8Array([0, 0, 0, ...values, 0]);
  return type.read(new DataView(memory.buffer), OFFSET);
}

/** The bytes of a few values of each type. */
const VALUES: [CType<unknown>, number | bigint, number[]][] = [
  [u8, 0, [0]],
  [u8, 0xfe, [0xfe]],
  [u16, 0xfe01, [0x01, 0xfe]],
  [i16, -2, [0xfe, 0xff]],
  [i16, 0x7f01, [0x01, 0x7f]],
  [u32, 0xfe03_0201, [0x01, 0x02, 0x03, 0xfe]],
  [i32, -2, [0xfe, 0xff, 0xff, 0xff]],
  [i32, 0x7f03_0201, [0x01, 0x02, 0x03, 0x7f]],
  [u64, 0xfe07_0605_0403_0201n, [1, 2, 3, 4, 5, 6, 7, 0xfe]],
  [i64, -2n, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  [i64, 0x7f07_0605_0403_0201n, [1, 2, 3, 4, 5, 6, 7, 0x7f]],
  [word, 0x1f_0605_0403_0201, [1, 2, 3, 4, 5, 6, 0x1f, 0]],
  [word, -2, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  [word, -(2 ** 32), [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]],
  [word, 2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
];

for (const [type, value, expected] of VALUES) {
  Deno.test(`${type.name} has ${value} as little-endian bytes`, () => {
    assertEquals(encode(type, value), expected);
    assertEquals(decode(type, ...expected), value);
  });
}

/** What each type holds: the size in bytes, the least and the greatest value. */
const RANGES: [CType<unknown>, number, number | bigint, number | bigint][] = [
  [u8, 1, 0, 255],
  [u16, 2, 0, 65535],
  [i16, 2, -32768, 32767],
  [u32, 4, 0, 4294967295],
  [i32, 4, -2147483648, 2147483647],
  [u64, 8, 0n, 18446744073709551615n],
  [i64, 8, -9223372036854775808n, 9223372036854775807n],
  [word, 8, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
];

for (const [type, size, min, max] of RANGES) {
  const kind = typeof min === "bigint" ? "a bigint" : "an integer";

  Deno.test(`${type.name} has its size, and aligns to it`, () => {
    assertEquals([type.size, type.align], [size, size]);
  });

  Deno.test(`${type.name} holds its least and its greatest value, and none beyond`, () => {
    for (const value of [min, max]) assertEquals(decode(type, ...encode(type, value)), value);
    const [below, above] = typeof min === "bigint"
      ? [min - 1n, BigInt(max) + 1n]
      : [min - 1, Number(max) + 1];
    for (const value of [below, above]) {
      const error = assertThrows(() => encode(type, value), RangeError);
      assertEquals(error.message, `${type.name}: ${value} is not ${kind} in ${min}…${max}`);
    }
  });

  Deno.test(`${type.name} refuses what is not ${kind}`, () => {
    const others = ["1", true, null, undefined];
    const numbers = typeof min === "bigint" ? [1] : [1n, 0.5, NaN, Infinity];
    for (const value of [...others, ...numbers]) {
      assertThrows(() => encode(type, value), RangeError, `${type.name}: ${value} is not ${kind}`);
    }
  });
}

Deno.test("array() holds its elements in a row, aligned as one of them", () => {
  const type = array(u16, 3);
  assertEquals([type.name, type.size, type.align], ["u16[3]", 6, 2]);
  assertEquals(encode(type, [1, 0x0302, 4]), [1, 0, 2, 3, 4, 0]);
  assertEquals(decode(type, 1, 0, 2, 3, 4, 0), [1, 0x0302, 4]);
});

Deno.test("array() of arrays is one in rows", () => {
  const type = array(array(u8, 3), 2);
  assertEquals([type.size, type.align], [6, 1]);
  assertEquals(encode(type, [[1, 2, 3], [4, 5, 6]]), [1, 2, 3, 4, 5, 6]);
  assertEquals(decode(type, 1, 2, 3, 4, 5, 6), [[1, 2, 3], [4, 5, 6]]);
});

Deno.test("array() refuses another number of elements, and an element out of range", () => {
  const type = array(u8, 2);
  const others = [[], [1], [1, 2, 3], new Uint8Array(2), 1, undefined] as unknown as number[][];
  for (const value of others) {
    assertThrows(
      () => encode(type, value),
      RangeError,
      "u8[2]: expected an array of 2 elements",
    );
  }
  assertThrows(() => encode(type, [1, 256]), RangeError, "u8: 256 is not an integer in 0…255");
  assertThrows(() => encode(type, new Array(2)), RangeError, "u8: undefined is not an integer");
});

Deno.test("bytes() holds bytes, without alignment", () => {
  const type = bytes(3);
  assertEquals([type.name, type.size, type.align], ["bytes[3]", 3, 1]);
  assertEquals(encode(type, new Uint8Array([1, 2, 3])), [1, 2, 3]);
  assertEquals(decode(type, 1, 2, 3), new Uint8Array([1, 2, 3]));
});

Deno.test("bytes() decodes to a copy, which later changes don't reach", () => {
  const memory = new Uint8Array([1, 2]);
  const copy = bytes(2).read(new DataView(memory.buffer), 0);
  memory[0] = 9;
  assertEquals(copy, new Uint8Array([1, 2]));
});

Deno.test("bytes() stays inside a view that begins later than its buffer", () => {
  const memory = new Uint8Array(6);
  const view = new DataView(memory.buffer, 2, 3);
  bytes(2).write(view, 1, new Uint8Array([7, 8]));
  assertEquals([...memory], [0, 0, 0, 7, 8, 0]);
  assertEquals(bytes(2).read(view, 1), new Uint8Array([7, 8]));
});

Deno.test("bytes() refuses another number of bytes, and what is no Uint8Array", () => {
  const type = bytes(2);
  const others = [new Uint8Array(1), new Uint8Array(3), [1, 2], "ab", undefined];
  for (const value of others as Uint8Array[]) {
    assertThrows(
      () => encode(type, value),
      RangeError,
      "bytes[2]: expected a Uint8Array of 2 bytes",
    );
  }
});

Deno.test("aligned() changes the alignment alone, and never to less", () => {
  const strict = aligned(8, i32);
  assertEquals([strict.name, strict.size, strict.align], ["i32", 4, 8]);
  assertEquals(encode(strict, -2), encode(i32, -2));
  assertEquals(decode(strict, 1, 0, 0, 0), 1);
  assertThrows(() => encode(strict, 2 ** 31), RangeError, "i32: 2147483648 is not an integer");
  assertEquals(aligned(2, i32).align, 4);
});

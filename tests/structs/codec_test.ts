/**
 * The C ABI's rules for structs, and that nothing is ever written or read at the wrong place.
 * Structs of the kernel are held against a C compiler in layouts_test.ts.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { struct } from "../../structs/codec.ts";
import { aligned, array, bytes, i16, i32, i64, u16, u32, u64, u8 } from "../../structs/scalars.ts";

Deno.test("struct() places each field at the next multiple of its alignment", () => {
  const type = struct("s", { a: u8, b: u64, c: u8, d: u16, e: u8, f: u32 });
  assertEquals(type.offsets, { a: 0, b: 8, c: 16, d: 18, e: 20, f: 24 });
});

Deno.test("struct() aligns as its strictest field, and rounds its size up to that", () => {
  const sizes = [
    struct("s", { a: u8 }),
    struct("s", { a: u8, b: u16, c: u8 }),
    struct("s", { a: u32, b: u8 }),
    struct("s", { a: u64, b: u8 }),
    struct("s", { a: bytes(5) }),
  ].map(({ size, align }) => [size, align]);
  assertEquals(sizes, [[1, 1], [6, 2], [8, 4], [16, 8], [5, 1]]);
});

Deno.test("struct() that is packed has neither padding nor alignment", () => {
  const type = struct("s", { a: u8, b: u64, c: u16, d: u32 }, { packed: true });
  assertEquals(type.offsets, { a: 0, b: 1, c: 9, d: 11 });
  assertEquals([type.size, type.align], [15, 1]);
});

Deno.test("struct() puts an aligned field where its own type alone wouldn't", () => {
  const type = struct("s", { a: i32, b: aligned(8, i32), c: i32 });
  assertEquals(type.offsets, { a: 0, b: 8, c: 12 });
  assertEquals([type.size, type.align], [16, 8]);
});

Deno.test("struct() aligns an array as one of its elements", () => {
  const type = struct("s", { a: u8, b: array(u32, 3), c: u8 });
  assertEquals(type.offsets, { a: 0, b: 4, c: 16 });
  assertEquals([type.size, type.align], [20, 4]);
});

Deno.test("struct() nests in another, with its own size and alignment", () => {
  const inner = struct("inner", { x: u32, y: u8 });
  const outer = struct("outer", { a: u8, b: inner, c: u8, d: array(inner, 2) });
  assertEquals(outer.offsets, { a: 0, b: 4, c: 12, d: 16 });
  assertEquals([outer.size, outer.align], [32, 4]);

  const packed = struct("packed", { x: u32, y: u8 }, { packed: true });
  const around = struct("around", { a: u8, b: packed, c: u8 });
  assertEquals(around.offsets, { a: 0, b: 1, c: 6 });
  assertEquals([around.size, around.align], [7, 1]);
});

Deno.test("struct() takes a size that is larger than the fields need", () => {
  const type = struct("s", { a: u32 }, { size: 16 });
  assertEquals([type.size, type.align], [16, 4]);
  assertEquals([...type.encode({ a: 1 })], [1, ...Array(15).fill(0)]);
});

Deno.test("struct() refuses a size that its fields don't fit in, or don't align to", () => {
  const fields = { a: u64, b: u8 };
  for (const size of [0, 8, 9, 15, 17]) {
    assertThrows(
      () => struct("s", fields, { size }),
      RangeError,
      `s: ${size} bytes can't hold its fields, which need 16`,
    );
  }
});

const mixed = struct("mixed", {
  byte: u8,
  short: i16,
  word: i32,
  long: i64,
  pair: array(u16, 2),
  raw: bytes(3),
});
const VALUES = {
  byte: 1,
  short: -2,
  word: -3,
  long: -4n,
  pair: [5, 6],
  raw: new Uint8Array([7, 8, 9]),
};
// deno-fmt-ignore
const BYTES = [
  1, 0, 0xfe, 0xff, 0xfd, 0xff, 0xff, 0xff,
  0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  5, 0, 6, 0, 7, 8, 9, 0,
];

Deno.test("Struct.encode() writes every field at its place and nothing between them", () => {
  assertEquals([...mixed.encode(VALUES)], BYTES);
});

Deno.test("Struct.decode() gives back what was encoded", () => {
  assertEquals(mixed.decode(mixed.encode(VALUES)), VALUES);
});

Deno.test("Struct.decode() ignores what is in the padding", () => {
  const bytes = Uint8Array.from(BYTES);
  bytes[1] = bytes[23] = 0xff;
  assertEquals(mixed.decode(bytes), VALUES);
});

Deno.test("Struct.decode() reads a part of a larger buffer", () => {
  const larger = new Uint8Array([0xff, ...BYTES, 0xff]);
  assertEquals(mixed.decode(larger.subarray(1, 1 + mixed.size)), VALUES);
});

Deno.test("Struct.encode() leaves zero what isn't given", () => {
  assertEquals([...mixed.encode({ short: 1 })], [0, 0, 1, ...Array(21).fill(0)]);
  assertEquals([...mixed.encode({})], Array(24).fill(0));
});

Deno.test("Struct.encode() and decode() reach into nested structs", () => {
  const inner = struct("inner", { x: u8, y: u16 });
  const outer = struct("outer", { a: u8, b: inner, c: array(inner, 2) });
  const values = { a: 1, b: { x: 2, y: 3 }, c: [{ x: 4, y: 5 }, { x: 6, y: 7 }] };
  const bytes = outer.encode(values);
  assertEquals([...bytes], [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0]);
  assertEquals(outer.decode(bytes), values);
});

Deno.test("Struct.encode() refuses what is no object in place of a nested struct", () => {
  const outer = struct("outer", { inner: struct("inner", { x: u8 }) });
  for (const value of [5, true, [], [1], null, "x"]) {
    const encode = () => outer.encode({ inner: value as unknown as { x: number } });
    assertThrows(encode, TypeError, "inner: expected an object with its fields");
  }
});

Deno.test("Struct.decode() refuses every other number of bytes", () => {
  for (const length of [0, 23, 25, 48]) {
    const error = assertThrows(() => mixed.decode(new Uint8Array(length)), RangeError);
    assertEquals(error.message, `mixed has 24 bytes, not ${length}`);
  }
});

Deno.test("Struct.encode() refuses a field that the struct hasn't", () => {
  // The last is one that every object inherits.
  for (const name of ["wrod", "", "constructor"]) {
    const error = assertThrows(() => mixed.encode({ [name]: 1 }), TypeError);
    assertEquals(error.message, `mixed has no field "${name}"`);
  }
});

Deno.test("Struct.encode() names the field whose value is out of range", () => {
  const wrong = [
    [{ byte: 256 }, "mixed.byte: u8: 256 is not an integer in 0…255"],
    [{ word: 2 ** 31 }, "mixed.word: i32: 2147483648 is not an integer in -2147483648…2147483647"],
    [{ pair: [1] }, "mixed.pair: u16[2]: expected an array of 2 elements"],
    [{ pair: [1, -1] }, "mixed.pair: u16: -1 is not an integer in 0…65535"],
    [{ raw: new Uint8Array(4) }, "mixed.raw: bytes[3]: expected a Uint8Array of 3 bytes"],
    [{ short: undefined }, "mixed.short: i16: undefined is not an integer in -32768…32767"],
  ] as const;
  for (const [values, message] of wrong) {
    const error = assertThrows(() => mixed.encode(values as Partial<typeof VALUES>), RangeError);
    assertEquals(error.message, message);
  }
});

Deno.test("Struct.encode() names the way to a field of a nested struct", () => {
  const outer = struct("outer", { b: struct("inner", { x: u8 }) });
  const error = assertThrows(() => outer.encode({ b: { x: 256 } }), RangeError);
  assertEquals(error.message, "outer.b: inner.x: u8: 256 is not an integer in 0…255");
  const unknown = { b: { y: 1 } } as unknown as { b: { x: number } };
  assertThrows(() => outer.encode(unknown), TypeError, 'inner has no field "y"');
});

Deno.test("Block.fields writes through to the bytes, and reads what they are now", () => {
  const { bytes, fields } = mixed.allocate();
  assertEquals([...bytes], Array(24).fill(0));
  Object.assign(fields, VALUES);
  assertEquals([...bytes], BYTES);
  bytes[0] = 0x80;
  bytes.set([7, 0, 0, 0], mixed.offsets.word);
  assertEquals([fields.byte, fields.word, fields.long], [0x80, 7, -4n]);
});

Deno.test("Block.fields refuses a value out of range and leaves the bytes as they were", () => {
  const { bytes, fields } = mixed.allocate();
  fields.word = 1;
  const error = assertThrows(() => fields.word = 2 ** 31, RangeError);
  assertEquals(
    error.message,
    "mixed.word: i32: 2147483648 is not an integer in -2147483648…2147483647",
  );
  assertEquals(fields.word, 1);
  assertEquals([...bytes], [0, 0, 0, 0, 1, ...Array(19).fill(0)]);
});

Deno.test("Block.fields refuses a field that the struct hasn't", () => {
  const fields = mixed.allocate().fields as unknown as Record<string, number>;
  assertThrows(() => fields.wrod = 1, TypeError);
  assertEquals(fields.wrod, undefined);
});

Deno.test("Struct.allocate() makes a block of its own each time", () => {
  const one = mixed.allocate();
  const other = mixed.allocate();
  one.fields.byte = 1;
  assertEquals(other.fields.byte, 0);
  assertEquals([one.bytes.length, other.bytes.length], [24, 24]);
  assert(one.bytes.buffer !== other.bytes.buffer);
});

Deno.test("Struct.allocateArray() makes blocks in a row, each on its own part", () => {
  const { bytes, blocks } = mixed.allocateArray(3);
  assertEquals([bytes.length, blocks.length], [72, 3]);
  blocks.forEach(({ fields }, i) => fields.word = i + 1);
  assertEquals([...bytes.keys()].filter((i) => bytes[i] !== 0), [4, 28, 52]);
  blocks[1].bytes.fill(0xff);
  assertEquals(blocks.map(({ fields }) => fields.word), [1, -1, 3]);
  assertEquals(mixed.decode(bytes.subarray(48, 72)).word, 3);
});

Deno.test("Struct.allocateArray() of none is empty", () => {
  const { bytes, blocks } = mixed.allocateArray(0);
  assertEquals([bytes.length, blocks.length], [0, 0]);
});

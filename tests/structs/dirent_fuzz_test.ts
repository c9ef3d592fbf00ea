/**
 * Folders with any names in them, as getdents64 writes them down, and garbage in their place.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { direntNames } from "../../structs/dirent.ts";
import { hostileBytesBut } from "../support/kernel_texts.ts";
import { fc, testProperty, unlessRefused } from "../support/property.ts";

/** Where the name begins in `struct linux_dirent64` (getdents64(2)). */
const NAME_OFFSET = 19;

/** A name is text from its first character on, and no byte of it says how it is encoded. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A record with this name in it, and with anything in the fields that nobody reads. */
function record(name: Uint8Array, anything: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((NAME_OFFSET + name.length + 1) / 8) * 8);
  bytes.fill(anything[0]);
  bytes.set(anything);
  new DataView(bytes.buffer).setUint16(16, bytes.length, true);
  bytes.set(name, NAME_OFFSET);
  bytes[NAME_OFFSET + name.length] = 0;
  return bytes;
}

const records = fc.array(
  fc.record({
    name: hostileBytesBut("\0/", 255).filter(({ length }) => length > 0),
    anything: fc.uint8Array({ minLength: NAME_OFFSET, maxLength: NAME_OFFSET }),
  }),
  { maxLength: 8 },
);

testProperty("direntNames() reads any names in their order", records, (records) => {
  const buffer = records.flatMap(({ name, anything }) => [...record(name, anything)]);
  assertEquals(
    direntNames(Uint8Array.from(buffer)),
    records.map(({ name }) => decoder.decode(name)),
  );
});

testProperty(
  "direntNames() refuses any record that ends before its name or behind the buffer",
  fc.tuple(records, fc.nat(2 ** 16 - 1)),
  ([records, length]) => {
    const buffer = records.flatMap(({ name, anything }) => [...record(name, anything)]);
    const last = record(Uint8Array.of(0x61), new Uint8Array(NAME_OFFSET));
    fc.pre(length <= NAME_OFFSET || length > last.length);
    new DataView(last.buffer).setUint16(16, length, true);
    const bytes = Uint8Array.from([...buffer, ...last]);
    assertThrows(() => direntNames(bytes), RangeError, `a record of ${length} bytes at`);
  },
);

testProperty(
  "direntNames() takes garbage apart, or refuses it",
  fc.tuple(records, fc.uint8Array({ maxLength: 64 }), fc.nat(64)),
  ([records, garbage, at]) => {
    const buffer = records.flatMap(({ name, anything }) => [...record(name, anything)]);
    buffer.splice(at, garbage.length, ...garbage);
    const names = unlessRefused(() => direntNames(Uint8Array.from(buffer)), RangeError) ?? [];
    // Each record has a head and a name of at least one byte, if only a NUL.
    assert(names.length <= buffer.length / (NAME_OFFSET + 1), String(names.length));
  },
);

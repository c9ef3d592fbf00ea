/**
 * Strings of any characters on their way to C and back.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { cString, cStringArray, fromCString } from "../../structs/cstring.ts";
import { fc, testProperty } from "../support/property.ts";

const characters = fc.string({ unit: "binary", maxLength: 20 });

/** Strings that C can have. */
const texts = characters.map((text) => text.replaceAll("\0", ""));

testProperty("fromCString() gives back any string that cString() took", texts, (text) => {
  const bytes = cString(text, "text");
  assertEquals(bytes.indexOf(0), bytes.length - 1);
  assertEquals(fromCString(bytes), text);
}, { examples: [["\ufeffwith a byte order mark"], [""]] });

testProperty(
  "cString() refuses any string with a NUL in it",
  fc.tuple(characters, characters),
  ([before, behind]) => {
    assertThrows(() => cString(`${before}\0${behind}`, "text"), TypeError, "NUL");
  },
);

testProperty("fromCString() decodes any bytes up to the first NUL", fc.uint8Array(), (bytes) => {
  const end = [...bytes, 0].indexOf(0);
  assertEquals(
    fromCString(bytes),
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.slice(0, end)),
  );
});

testProperty(
  "cStringArray() points to each of any strings, and ends with NULL",
  fc.record({
    texts: fc.array(texts, { maxLength: 6 }),
    base: fc.bigInt({ min: 0n, max: 2n ** 47n }),
  }),
  ({ texts, base }) => {
    const memory = cStringArray(texts, "texts", () => base);
    const view = new DataView(memory.buffer);
    texts.forEach((text, i) => {
      const at = Number(view.getBigUint64(i * 8, true) - base);
      assert(at >= (texts.length + 1) * 8, `string ${i} begins among the pointers, at ${at}`);
      const expected = new TextEncoder().encode(`${text}\0`);
      assertEquals(memory.slice(at, at + expected.length), expected);
    });
    assertEquals(view.getBigUint64(texts.length * 8, true), 0n);
  },
);

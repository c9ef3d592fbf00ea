/**
 * Strings to C and back, and arrays of them.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { cString, cStringArray, fromCString } from "../../structs/cstring.ts";

Deno.test("cString() has a NUL behind the text", () => {
  assertEquals([...cString("ab", "name")], [97, 98, 0]);
  assertEquals([...cString("", "name")], [0]);
});

Deno.test("cString() encodes as UTF-8", () => {
  assertEquals([...cString("ä€🦕", "name")], [
    ...[0xc3, 0xa4],
    ...[0xe2, 0x82, 0xac],
    ...[0xf0, 0x9f, 0xa6, 0x95],
    0,
  ]);
});

Deno.test("cString() refuses a NUL anywhere in the text, and says in what", () => {
  for (const text of ["\0", "\0a", "a\0b", "a\0"]) {
    const error = assertThrows(() => cString(text, "path"), TypeError);
    assertEquals(
      error.message,
      `path must not have a NUL byte in it: ${JSON.stringify(text)}`,
    );
  }
});

Deno.test("cString() refuses half of a surrogate pair, and says in what", () => {
  for (const text of ["\ud83d", "a\udc00b"]) {
    const { message } = assertThrows(() => cString(text, "path"), TypeError);
    assertEquals(message, `path must not have a lone surrogate in it: ${JSON.stringify(text)}`);
  }
});

Deno.test("fromCString() decodes up to the first NUL", () => {
  assertEquals(fromCString(new Uint8Array([97, 98, 0, 99, 0])), "ab");
  assertEquals(fromCString(new Uint8Array([0, 97])), "");
});

Deno.test("fromCString() decodes all where there is no NUL", () => {
  assertEquals(fromCString(new Uint8Array([97, 98])), "ab");
  assertEquals(fromCString(new Uint8Array()), "");
});

Deno.test("fromCString() gives back what cString() encoded", () => {
  for (const text of ["", "plain", "ä€🦕", "line\nfeed\ttab"]) {
    assertEquals(fromCString(cString(text, "text")), text);
  }
});

Deno.test("fromCString() decodes what is not UTF-8 to U+FFFD", () => {
  assertEquals(fromCString(new Uint8Array([97, 0xff, 98, 0])), "a\ufffdb");
});

/** An address that no number of JavaScript's can hold exactly. */
const BASE = 2n ** 53n + 1n;

Deno.test("cStringArray() has pointers to each string, and a NULL behind them", () => {
  let asked: Uint8Array | undefined;
  const bytes = cStringArray(["ab", "", "ä"], "args", (buffer) => {
    asked = buffer;
    return BASE;
  });
  // The strings' addresses are inside the buffer that is handed out, so it must be this one.
  assertEquals(asked, bytes);
  const pointers = new BigUint64Array(bytes.buffer, 0, 4);
  assertEquals([...pointers], [BASE + 32n, BASE + 35n, BASE + 36n, 0n]);
  assertEquals([...bytes.subarray(32)], [97, 98, 0, 0, 0xc3, 0xa4, 0]);
});

Deno.test("cStringArray() of no strings is a NULL alone", () => {
  assertEquals([...cStringArray([], "args", () => BASE)], Array(8).fill(0));
});

Deno.test("cStringArray() refuses a NUL in any of the strings", () => {
  assertThrows(
    () => cStringArray(["ok", "a\0b"], "env", () => BASE),
    TypeError,
    'env must not have a NUL byte in it: "a\\u0000b"',
  );
});

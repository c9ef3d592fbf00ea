/**
 * Paths and abstract names: what they become, and which are refused.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { isAbstract, parseAddress } from "../../ipc/address.ts";
import { encode } from "../support/sockets.ts";

/** What an address has in place of a path. */
function pathOf(path: string): Uint8Array {
  const { bytes, length } = parseAddress(path);
  return bytes.slice(2, length);
}

Deno.test("parseAddress() ends a path with a NUL", () => {
  assertEquals(pathOf("/run/some.sock"), encode("/run/some.sock\0"));
  assertEquals(pathOf("relative"), encode("relative\0"));
  assertEquals(pathOf("not@first"), encode("not@first\0"));
  assertEquals(parseAddress("/run/some.sock").name, "/run/some.sock");
});

Deno.test("parseAddress() takes an abstract name behind an @ or a NUL for the same", () => {
  for (const path of ["@some", "\0some"]) {
    assertEquals(pathOf(path), encode("\0some"));
    assertEquals(parseAddress(path).name, "@some");
  }
  assertEquals(pathOf("@@some"), encode("\0@some"));
});

Deno.test("parseAddress() takes NULs in an abstract name, which they are a part of", () => {
  assertEquals(pathOf("@a\0b\0"), encode("\0a\0b\0"));
});

Deno.test("parseAddress() takes 107 bytes, and no more", () => {
  const { length } = encode("ä");
  assertEquals(length, 2);
  for (const path of ["x".repeat(107), "ä".repeat(53) + "x"]) {
    assertEquals(pathOf(path), encode(`${path}\0`));
    assertEquals(pathOf(`@${path}`), encode(`\0${path}`));
    assertEquals(pathOf(`\0${path}`), encode(`\0${path}`));
    for (const tooLong of [`${path}x`, `@${path}x`, `\0${path}x`]) {
      assertThrows(() => parseAddress(tooLong), RangeError, "path must have 1…107 bytes");
    }
  }
  assertThrows(() => parseAddress("ä".repeat(54)), RangeError, "ääää");
});

Deno.test("parseAddress() refuses what is empty", () => {
  for (const path of ["", "@", "\0"]) {
    const message = `path must have 1…107 bytes: ${JSON.stringify(path)}`;
    assertThrows(() => parseAddress(path), RangeError, message);
  }
});

Deno.test("parseAddress() refuses a NUL in a path", () => {
  for (const path of ["a\0", "/run/a\0b"]) {
    const message = `path must not have a NUL byte in it: ${JSON.stringify(path)}`;
    assertThrows(() => parseAddress(path), TypeError, message);
  }
});

Deno.test("parseAddress() refuses what is no string", () => {
  for (const path of [undefined, null, 5, {}, new URL("file:///run/some.sock"), encode("a")]) {
    const message = `path must be a string: ${path}`;
    assertThrows(() => parseAddress(path as string), TypeError, message);
  }
});

Deno.test("isAbstract() tells names from paths", () => {
  assertEquals(["@a", "\0a"].map(isAbstract), [true, true]);
  assertEquals(["a", "/@a", "./@a", "a\0"].map(isAbstract), [false, false, false, false]);
});

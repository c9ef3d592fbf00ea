/**
 * C strings: UTF-8 bytes with a NUL at the end. A NUL inside is refused, because it would silently
 * shorten a path, an argument or a name. A lone surrogate is refused, because UTF-8 can't encode
 * it: all of them would become the same character.
 *
 * @module
 */

import { u64 } from "./scalars.ts";

/** Encodes a string. Throws if C can't hold it; `what` names it in the message. */
export function cString(text: string, what: string): Uint8Array<ArrayBuffer> {
  checkCString(text, what);
  return encoder.encode(text + "\0");
}

const encoder = new TextEncoder();

/** Throws if C can't hold a string; `what` names it in the message. */
export function checkCString(text: string, what: string): void {
  if (!text.isWellFormed()) {
    throw new TypeError(`${what} must not have a lone surrogate in it: ${JSON.stringify(text)}`);
  }
  if (text.includes("\0")) {
    throw new TypeError(`${what} must not have a NUL byte in it: ${JSON.stringify(text)}`);
  }
}

/**
 * A `char *[]` with a NULL at the end, as execve(2) takes its arguments and environment. One buffer
 * holds the pointers, and then the strings that they point to.
 *
 * @param texts Strings, or C strings as bytes with their NUL: these need not be UTF-8.
 * @param addressOf Returns the address of a buffer.
 */
export function cStringArray(
  texts: readonly (string | Uint8Array)[],
  what: string,
  addressOf: (bytes: Uint8Array<ArrayBuffer>) => bigint,
): Uint8Array<ArrayBuffer> {
  const strings = texts.map((text) => typeof text === "string" ? cString(text, what) : text);
  const pointers = (strings.length + 1) * u64.size;
  const size = strings.reduce((size, string) => size + string.length, pointers);
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const view = new DataView(bytes.buffer);
  const base = addressOf(bytes);
  let at = pointers;
  strings.forEach((string, i) => {
    u64.write(view, i * u64.size, base + BigInt(at));
    bytes.set(string, at);
    at += string.length;
  });
  return bytes;
}

/** A byte order mark is kept as a character: texts of the kernel don't use it as a mark. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes a text from the kernel. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Decodes up to the first NUL, or all bytes if there is none. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

/**
 * Strings as C takes them: UTF-8 bytes with a NUL behind them. A NUL inside would
 * silently shorten a path, an argument or a name, so it is refused. So is half of a surrogate
 * pair, which UTF-8 doesn't have: all such halves would become the same character.
 *
 * @module
 */

import { u64 } from "./scalars.ts";

/** Encodes a string; `what` names it in the message if it is one that C can't have. */
export function cString(text: string, what: string): Uint8Array<ArrayBuffer> {
  checkCString(text, what);
  return encoder.encode(text + "\0");
}

const encoder = new TextEncoder();

/** Refuses what C can't have; `what` names it. */
export function checkCString(text: string, what: string): void {
  if (!text.isWellFormed()) {
    throw new TypeError(`${what} must not have a lone surrogate in it: ${JSON.stringify(text)}`);
  }
  if (text.includes("\0")) {
    throw new TypeError(`${what} must not have a NUL byte in it: ${JSON.stringify(text)}`);
  }
}

/**
 * A `char *[]` with a NULL behind it, as execve(2) takes its arguments and environment: the
 * pointers, and behind them the strings that they point to, in one buffer.
 *
 * @param texts Strings, or what libc itself has, with the NUL behind it: not all of that is UTF-8.
 * @param addressOf Where a buffer's memory is.
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

/** A byte order mark is a character like any other: names and texts of the kernel have none. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes a text of the kernel's. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Decodes up to the first NUL, or all where there is none. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

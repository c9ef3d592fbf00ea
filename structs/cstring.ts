/**
 * Strings as C takes them: UTF-8 bytes with a NUL behind them. A NUL inside would
 * silently shorten a path, an argument or a name, so it is refused.
 *
 * @module
 */

/** Encodes a string; `what` names it in the message if it has a NUL byte in it. */
export function cString(text: string, what: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new TypeError(`${what} must not have a NUL byte in it: ${JSON.stringify(text)}`);
  }
  return new TextEncoder().encode(text + "\0");
}

/** Decodes up to the first NUL, or all where there is none. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

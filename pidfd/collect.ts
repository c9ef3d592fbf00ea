/**
 * Bytes that come in pieces, as one.
 *
 * @module
 */

import { memoryFor } from "../ffi/memory.ts";

/**
 * Reads a stream to its end. One that was read already gives what is left. It stays locked, as
 * those of `Deno.ChildProcess` do: a second collection would find nothing, and look like a first.
 *
 * @throws {TypeError} If something else reads it.
 */
export async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(pieces);
    pieces.push(value);
  }
}

/** The pieces in a row, in memory that is all theirs. A single one is not copied. */
export function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (pieces.length === 1) return pieces[0];
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const all = memoryFor(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

const decoder = new TextDecoder();

/** A text; what is no UTF-8 becomes U+FFFD, as in `Response.text()`. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

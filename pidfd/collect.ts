/**
 * Joining bytes that arrive in pieces.
 *
 * @module
 */

import { memoryFor } from "../ffi/memory.ts";

/**
 * Reads a stream to its end. If a part was read before, only the rest is returned. The stream stays
 * locked, as those of `Deno.ChildProcess` do: so a second call fails, instead of returning nothing.
 *
 * @throws {TypeError} If the stream is locked: something else reads it.
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

/** The pieces in a row, in new memory. A single piece is returned as it is, without a copy. */
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

/** Decodes UTF-8; invalid bytes become U+FFFD, as in `Response.text()`. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

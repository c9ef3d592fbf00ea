/**
 * One block of memory for the strings of a call, used again for each call. The reason: allocating
 * memory for each string takes longer than writing it.
 *
 * @module
 */

import { word } from "./scalars.ts";

/** The most bytes that UTF-8 needs for a UTF-16 code unit. */
const LONGEST_UNIT = 3;

/** The largest block that is kept, in bytes: few commands have more text. */
const MOST_KEPT = 2 ** 20;

/** A C string, or a `char *[]`. */
export type CText = string | readonly string[];

/** A block of memory for strings. It is emptied before the next call. */
export class TextBlock {
  #bytes = new Uint8Array(new ArrayBuffer(0));
  #view = new DataView(this.#bytes.buffer);
  #address = 0;
  #used = 0;
  readonly #encoder = new TextEncoder();

  /** @param addressOf Returns the address of a buffer. */
  constructor(private readonly addressOf: (bytes: Uint8Array<ArrayBuffer>) => bigint) {}

  /** Empties the block, and makes room for these texts, which are put next. */
  empty(texts: readonly CText[]): void {
    this.#used = 0;
    let room = 0;
    for (const text of texts) room += roomFor(text);
    if (room <= this.#bytes.length) return;
    this.#have(Math.max(room, Math.min(2 * room, MOST_KEPT)));
    this.#address = Number(this.addressOf(this.#bytes));
  }

  /** Erases the texts, because they may be secret, and frees a large block. */
  release(): void {
    if (this.#bytes.length > MOST_KEPT) this.#have(0);
    else this.#bytes.fill(0, 0, this.#used);
    this.#used = 0;
  }

  #have(size: number): void {
    this.#bytes = new Uint8Array(new ArrayBuffer(size));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Writes a text, and returns its address. The text must have no NUL and no lone surrogate. */
  put(text: CText): number {
    return typeof text === "string" ? this.#putString(text) : this.#putArray(text);
  }

  #putString(text: string): number {
    const start = this.#used;
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(start));
    this.#bytes[start + written] = 0;
    this.#used = start + written + 1;
    return this.#address + start;
  }

  #putArray(texts: readonly string[]): number {
    const addresses = texts.map((text) => this.#putString(text));
    const start = Math.ceil(this.#used / word.align) * word.align;
    addresses.forEach((address, i) => word.write(this.#view, start + i * word.size, address));
    // The NULL at the end.
    word.write(this.#view, start + texts.length * word.size, 0);
    this.#used = start + (texts.length + 1) * word.size;
    return this.#address + start;
  }
}

function roomFor(text: CText): number {
  if (typeof text === "string") return LONGEST_UNIT * text.length + 1;
  // One word more for the NULL, and one for the alignment.
  let room = (text.length + 2) * word.size;
  for (const one of text) room += roomFor(one);
  return room;
}

/**
 * Memory for the strings of one call after another. To make memory for each string takes longer
 * than to write it.
 *
 * @module
 */

import { word } from "./scalars.ts";

/** How many bytes UTF-8 needs for a UTF-16 code unit, at most. */
const LONGEST_UNIT = 3;

/** How large a block is at most that is kept: few commands have more text. */
const MOST_KEPT = 2 ** 20;

/** What C takes: a string, or a `char *[]` of strings. */
export type CText = string | readonly string[];

/** A block of memory that strings are put into, until it is emptied for the next. */
export class TextBlock {
  #bytes = new Uint8Array(new ArrayBuffer(0));
  #view = new DataView(this.#bytes.buffer);
  #address = 0;
  #used = 0;
  readonly #encoder = new TextEncoder();

  /** @param addressOf Where a buffer's memory is. */
  constructor(private readonly addressOf: (bytes: Uint8Array<ArrayBuffer>) => bigint) {}

  /** Empties it, and makes room for texts, which are put there next. */
  empty(texts: readonly CText[]): void {
    this.#used = 0;
    let room = 0;
    for (const text of texts) room += roomFor(text);
    if (room <= this.#bytes.length) return;
    this.#have(Math.max(room, Math.min(2 * room, MOST_KEPT)));
    this.#address = Number(this.addressOf(this.#bytes));
  }

  /** Wipes out the texts, which nobody reads any more, and gives up a block that is large. */
  release(): void {
    if (this.#bytes.length > MOST_KEPT) this.#have(0);
    else this.#bytes.fill(0, 0, this.#used);
    this.#used = 0;
  }

  #have(size: number): void {
    this.#bytes = new Uint8Array(new ArrayBuffer(size));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Puts a text there, and returns its address. It has no NUL and no lone surrogate. */
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
    // The NULL behind them.
    word.write(this.#view, start + texts.length * word.size, 0);
    this.#used = start + (texts.length + 1) * word.size;
    return this.#address + start;
  }
}

function roomFor(text: CText): number {
  if (typeof text === "string") return LONGEST_UNIT * text.length + 1;
  // With the NULL behind them, and what aligns them.
  let room = (text.length + 2) * word.size;
  for (const one of text) room += roomFor(one);
  return room;
}

/**
 * Text that comes in piece by piece, taken line by line.
 *
 * @module
 */

import { deadline } from "@std/async";
import { PATIENCE } from "./processes.ts";

/** What a process prints. */
export class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line. That there is none is an error. */
  async next(): Promise<string> {
    while (!this.#text.includes("\n")) {
      if (!await this.#more()) throw new Error(`it ended without a word: ${this.#text}`);
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  /** All that is left, once everyone who could print more has ended. */
  async rest(): Promise<string> {
    while (await this.#more());
    return this.#text;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async #more(): Promise<boolean> {
    const { value, done } = await deadline(this.#reader.read(), PATIENCE);
    this.#text += value ?? "";
    return !done;
  }
}

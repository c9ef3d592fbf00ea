/**
 * A child on a terminal that the library gives it, and what a person would do with it.
 *
 * @module
 */

import { assert } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, type ExitStatus, spawn, type SpawnOptions, type Terminal } from "../../mod.ts";
import { PATIENCE } from "./processes.ts";
import { encode } from "./sockets.ts";

/** The keys that mean something. */
export const KEYS = {
  enter: "\r",
  ctrlC: "\x03",
  ctrlD: "\x04",
  ctrlZ: "\x1a",
  ctrlBackslash: "\x1c",
} as const;

/** Talks with a child. At the end of the block it has ended, and all that it has started. */
export class Dialog implements AsyncDisposable {
  readonly child: Child;
  readonly terminal: Terminal;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #read: Promise<void>;
  #text = "";
  /** How much of it was answered to. */
  #seen = 0;
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    const env = { TERM: "xterm", LC_ALL: "C.UTF-8", ...options.env };
    this.child = spawn(command, args, { terminal: true, ...options, env });
    const { terminal } = this.child;
    assert(terminal !== null);
    this.terminal = terminal;
    this.#writer = terminal.writable.getWriter();
    this.#read = this.#readAll();
    // It is awaited once it matters.
    this.#read.catch(() => {});
  }

  /** All that was shown. */
  get text(): string {
    return this.#text;
  }

  /** Types something. */
  async type(text: string): Promise<void> {
    await deadline(this.#writer.write(encode(text)), PATIENCE);
  }

  /** Resolves once something is shown that wasn't answered to yet. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(this.#missing(pattern)), PATIENCE);
    try {
      for (;;) {
        const match = pattern.exec(this.#text.slice(this.#seen));
        if (match) {
          this.#seen += match.index + match[0].length;
          return match;
        }
        if (this.#isOver) throw this.#missing(pattern);
        await Promise.race([this.#changed.promise, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves once the terminal has ended and the child has. */
  async ended(): Promise<ExitStatus> {
    await deadline(this.#read, PATIENCE);
    return await deadline(this.child.status, PATIENCE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    await Promise.allSettled([this.#read]);
  }

  async #readAll(): Promise<void> {
    try {
      for await (const text of this.terminal.readable.pipeThrough(new TextDecoderStream())) {
        this.#text += text;
        this.#change();
      }
    } finally {
      this.#isOver = true;
      this.#change();
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #missing(pattern: RegExp): Error {
    return new Error(`${pattern} is not shown: ${JSON.stringify(this.#text)}`);
  }
}

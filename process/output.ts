/**
 * All that a child writes, collected.
 *
 * A pipe ends when nobody holds its other end any more. That can be long after the child's end,
 * as its descendants inherit it. So there are two bounds: how long to wait for those after the
 * child's end, and how much to take.
 *
 * @module
 */

import { checkDuration, checkOptions } from "../pidfd/arguments.ts";
import { joined } from "../pidfd/collect.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { LONGEST_TIMER } from "../pidfd/terminate.ts";
import { type ChildOutput, outputOf } from "./child_output.ts";

/** Options for {@linkcode Child.output}. */
export interface OutputOptions {
  /**
   * How long to wait, after the child's end, for others that still hold its output open, in
   * milliseconds. Without it, for as long as they do, as Deno does.
   */
  waitDelay?: number;
  /**
   * How many bytes of each stream to take at most. A child that writes more is ended as by its
   * `timeout`. Without it, any number.
   */
  maxBytes?: number;
}

/** What is to be collected. */
export interface Output {
  readonly status: Promise<ExitStatus>;
  readonly stdout?: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr?: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends the child. */
  end(): void;
}

/** Collects what a child writes until it has ended and nobody else can write any more. */
export async function collectOutput(
  { status, stdout, stderr, end }: Output,
  options: OutputOptions,
): Promise<ChildOutput> {
  checkOptions("options", options, ["waitDelay", "maxBytes"]);
  const { waitDelay = Infinity, maxBytes = Infinity } = options;
  checkDuration("options.waitDelay", waitDelay);
  checkDuration("options.maxBytes", maxBytes);
  // Before either is taken: one that can't be would leave the other locked.
  for (const [name, stream] of Object.entries({ stdout, stderr })) {
    if (stream?.locked) throw new TypeError(`Cannot collect output: '${name}' is locked`);
  }
  const collect = (stream: typeof stdout) => stream && new Collection(stream, maxBytes, end);
  const [out, err] = [collect(stdout), collect(stderr)];
  const collections = [out, err].filter((one) => one !== undefined);
  const complete = Promise.all(collections.map(({ complete }) => complete));
  const [result] = await Promise.all([
    status,
    complete,
    status.then(() => cutAfter(waitDelay, collections, complete)),
  ]);
  const truncated = collections.some(({ isCut }) => isCut);
  return outputOf(result, { stdout: out?.bytes(), stderr: err?.bytes(), truncated });
}

/** Cuts collections short that aren't complete in time. */
function cutAfter(
  delay: number,
  collections: readonly Collection[],
  complete: Promise<unknown>,
): void {
  if (delay > LONGEST_TIMER) return;
  // What is waited for keeps the program alive, or lets it end.
  const timer = setTimeout(() => collections.forEach((one) => one.cut()), delay);
  Deno.unrefTimer(timer);
  const stop = () => clearTimeout(timer);
  complete.then(stop, stop);
}

/** The bytes of one stream. */
class Collection {
  /** Resolves at the stream's end, or once it was cut short. */
  readonly complete: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;
  #isComplete = false;
  /** Pending while a stream that was cut short still ends. */
  #cut: Promise<void> | undefined;

  constructor(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    most: number,
    tooMuch: () => void,
  ) {
    this.#reader = stream.getReader();
    this.complete = this.#collect(most, tooMuch);
  }

  get isCut(): boolean {
    return this.#cut !== undefined;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return joined(this.#chunks);
  }

  /** Takes no more. Whoever goes on writing gets EPIPE. */
  cut(): void {
    if (this.#isComplete || this.#cut) return;
    // A read that is pending ends by that, as if it were the end of the stream.
    this.#cut = this.#reader.cancel().catch(() => {});
  }

  async #collect(most: number, tooMuch: () => void): Promise<void> {
    const reader = this.#reader;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const room = most - this.#length;
      const chunk = next.value.length > room ? next.value.subarray(0, room) : next.value;
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (chunk.length === next.value.length) continue;
      this.cut();
      tooMuch();
      break;
    }
    this.#isComplete = true;
    await this.#cut;
  }
}

/**
 * The option `input`: what a child reads from its standard input, known before it starts.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { show } from "../pidfd/arguments.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import type { Stdio } from "./stdio.ts";

/** The options that say what a child reads. */
export interface InputOptions {
  readonly stdin?: Stdio;
  readonly input?: string | Uint8Array;
}

/** Checks the input, and makes it bytes; undefined without any. */
export function inputOf({ input, stdin }: InputOptions): Uint8Array | undefined {
  if (input === undefined) return undefined;
  if (stdin !== undefined && stdin !== "piped") {
    throw new TypeError("options.input must not be combined with stdin: it is written to a pipe");
  }
  if (typeof input === "string") return new TextEncoder().encode(input);
  if (input instanceof Uint8Array) return input;
  throw new TypeError(`options.input must be a string or a Uint8Array: ${show(input)}`);
}

/**
 * Writes all of it, and ends it. A child that reads only a part of it has not failed: it has what
 * it needs.
 */
export async function feed(stdin: OwnedFd, input: Uint8Array): Promise<void> {
  const writer = stdin.writable.getWriter();
  try {
    await writer.write(input);
    await writer.close();
  } catch (error) {
    // BadResource: the child was disposed of.
    if (!isUnread(error) && !(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Whether a write failed because nobody is left that could read it. */
export function isUnread(error: unknown): boolean {
  return error instanceof SyscallError && error.code === "EPIPE";
}

/**
 * `pidfd run --pty`: the command has a terminal of its own, and this program sits in between: what is
 * typed here goes there, what comes out there is shown here. All keys are the command's.
 *
 * @module
 */

import { setRawOutput } from "../ffi/terminals.ts";
import type { Terminal, TerminalOptions } from "../process/terminal.ts";
import { stderr, stdout } from "./output.ts";

/** This program's standard input. */
const STDIN = 0;

/** The key that ends the input of a terminal. termios(3), VEOF */
const END_OF_INPUT = Uint8Array.of(4);
const NEWLINE = 10;

/** The size of this program's terminal; undefined if it has none. */
export function ownSize(): TerminalOptions | undefined {
  try {
    const { columns, rows } = Deno.consoleSize();
    // A terminal that doesn't know its size says 0.
    return columns > 0 && rows > 0 ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}

/** The connection of both terminals, until it is disposed of. */
export class Relay implements Disposable {
  /** Resolves once all that the command's terminal has shown is written. */
  readonly shown: Promise<void>;
  readonly #terminal: Terminal;
  readonly #isRaw: boolean;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#isRaw = Deno.stdin.isTerminal();
    if (this.#isRaw) {
      Deno.stdin.setRaw(true);
      if (Deno.stdout.isTerminal()) {
        // Deno leaves that as it was. The command's own terminal has processed the output already.
        setRawOutput(STDIN);
        stderr.setRaw(true);
      }
    }
    this.shown = this.#show();
    this.#type().catch(() => {
      // The command has ended, and its terminal with it; or nothing can be read here.
    });
  }

  /** Gives the command's terminal the size of this one. */
  resize(): void {
    const { columns, rows } = ownSize() ?? {};
    if (columns !== undefined && rows !== undefined) this.#terminal.resize(columns, rows);
  }

  /** Puts this program's terminal back as it was. */
  [Symbol.dispose](): void {
    if (!this.#isRaw) return;
    Deno.stdin.setRaw(false);
    stderr.setRaw(false);
  }

  async #show(): Promise<void> {
    try {
      for await (const bytes of this.#terminal.readable) {
        await stdout.pass(bytes);
      }
    } catch {
      // Nobody sees it any more: then the command's terminal is hung up.
      this.#terminal.close();
    }
  }

  async #type(): Promise<void> {
    const writer = this.#terminal.writable.getWriter();
    let last = NEWLINE;
    for await (const bytes of Deno.stdin.readable) {
      await writer.write(bytes);
      last = bytes.at(-1) ?? last;
    }
    // In the middle of a line, the first one only ends that.
    if (last !== NEWLINE) await writer.write(END_OF_INPUT);
    await writer.write(END_OF_INPUT);
  }
}

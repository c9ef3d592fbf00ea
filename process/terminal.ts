/**
 * A terminal for a child (pty(7)). This program sits at its near end, as a person does in front
 * of the screen.
 *
 * The far end is the child's. It stays open here as well until the child has ended: a program may
 * close its terminal and open it again by `/dev/tty`, to ask for a password, say. In between
 * nobody else has it open, which the kernel tells as an end.
 *
 * States: **open** from the child's birth on, then **closed** for good, by the end of `readable`,
 * by `close`, or by the child's disposal. Closing hangs the terminal up.
 *
 * @module
 */

import type { KeepAlive } from "../ffi/waiter.ts";
import { getSize, openTerminal, setSize, type TerminalSize } from "../ffi/terminals.ts";
import { checkInteger, checkOptions, show as showValue } from "../pidfd/arguments.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { type FdStreams, openStreams } from "../pidfd/fd_streams.ts";
import { customInspect, show, showFd } from "../pidfd/inspect.ts";

/** The size of a terminal in characters, for {@linkcode SpawnOptions.terminal}. */
export interface TerminalOptions {
  /** How many characters a line has: 1 to 65535, and 80 unless told otherwise. */
  columns?: number;
  /** How many lines there are: 1 to 65535, and 24 unless told otherwise. */
  rows?: number;
}

/** The size that a terminal has had since there were any. */
const USUAL: TerminalSize = { columns: 80, rows: 24 };
/** The largest number that `struct winsize` holds. */
const LARGEST = 2 ** 16 - 1;

/** The size of the terminal that a child is to have; undefined if it is to have none. */
export function terminalSize(
  terminal: boolean | TerminalOptions | undefined,
): TerminalSize | undefined {
  if (terminal === undefined || terminal === false) return undefined;
  if (terminal === true) return USUAL;
  if (typeof terminal !== "object" || terminal === null) {
    throw new TypeError(`options.terminal must be a boolean or an object: ${showValue(terminal)}`);
  }
  checkOptions("options.terminal", terminal, Object.keys(USUAL));
  const { columns = USUAL.columns, rows = USUAL.rows } = terminal;
  checkSize("options.terminal.", columns, rows);
  return { columns, rows };
}

function checkSize(prefix: string, columns: number, rows: number): void {
  checkInteger(`${prefix}columns`, columns, 1, LARGEST);
  checkInteger(`${prefix}rows`, rows, 1, LARGEST);
}

/** The two ends of a terminal whose child is not born yet. */
export interface TerminalEnds {
  readonly near: FdHandle;
  readonly far: FdHandle;
}

/** Makes a terminal. */
export function makeTerminal(size: TerminalSize): TerminalEnds {
  const { near, far } = openTerminal(size);
  return { near: new FdHandle(near, "Terminal"), far: new FdHandle(far, "Terminal") };
}

/** Makes a Terminal of the ends, which belong to it from then on. */
export let createTerminal: (
  ends: TerminalEnds,
  keepAlive: KeepAlive,
  ended: Promise<unknown>,
) => Terminal;

/**
 * A child's own terminal, as {@linkcode Child.terminal}: what comes out of it is what a person
 * would see there, and what goes into it is what that person types.
 *
 * At first it is as the kernel makes it. It shows what is typed, hands it on line by line, and
 * begins each line of the output with `"\r"`. The child can change all that (stty(1), termios(3)),
 * as shells and editors do. Keys are characters: `"\r"` is Enter, `"\x03"` Ctrl-C, `"\x04"` Ctrl-D,
 * `"\x1a"` Ctrl-Z. Text is UTF-8.
 *
 * @example
 * ```ts
 * import { spawn } from "@pidfd/util";
 *
 * await using child = spawn("sh", ["-c", "stty size; read -r name; echo hello, $name"], {
 *   terminal: { columns: 100, rows: 30 },
 * });
 * const { readable, writable } = child.terminal!;
 * await writable.getWriter().write(new TextEncoder().encode("world\r"));
 * console.log(await readable.text()); // 30 100, and the greeting
 * ```
 *
 * See {@link https://man7.org/linux/man-pages/man7/pty.7.html | pty(7)}.
 */
export class Terminal implements Disposable {
  readonly #streams: FdStreams;
  readonly #far: FdHandle;
  #size: TerminalSize = USUAL;

  private constructor({ near, far }: TerminalEnds, keepAlive: KeepAlive, ended: Promise<unknown>) {
    this.#streams = openStreams(near, keepAlive, { endsWithReading: true });
    this.#far = far;
    // As long as the child runs this keeps the terminal, which would be hung up as garbage.
    const leave = () => this.#far.close();
    // Other code may have closed the descriptor before.
    ended.then(leave, leave).catch(() => {});
  }

  static {
    createTerminal = (ends, keepAlive, ended) => new Terminal(ends, keepAlive, ended);
  }

  /**
   * What comes out of the terminal. It ends once the child has ended and no other process has
   * the terminal open; the terminal is closed then. Cancelling it hangs up.
   *
   * Nothing is read before somebody asks for it: a child whose output nobody reads has to wait
   * in the end.
   */
  get readable(): Deno.SubprocessReadableStream {
    return this.#streams.readable;
  }

  /**
   * What is typed. Closing it types nothing and doesn't hang up, as a terminal's input has no end
   * of its own: write `"\x04"` for that, at the beginning of a line. After the terminal's end, a
   * write rejects with BadResource.
   *
   * While the child takes its input by lines, no line can have more than 4095 bytes: the kernel
   * drops what is too much.
   */
  get writable(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.writable;
  }

  /** How many characters a line has. The child can change it as well. */
  get columns(): number {
    return this.#measure().columns;
  }

  /** How many lines there are. The child can change it as well. */
  get rows(): number {
    return this.#measure().rows;
  }

  /** Whether the terminal has ended or was closed. */
  get closed(): boolean {
    return this.#streams.fd < 0;
  }

  /**
   * Changes the size. If it is another one, what runs in the foreground gets SIGWINCH. On a closed
   * terminal, nobody is left to tell: only `columns` and `rows` change.
   *
   * @throws {RangeError} If a number is not an integer in 1…65535.
   */
  resize(columns: number, rows: number): void {
    checkSize("", columns, rows);
    this.#size = { columns, rows };
    if (!this.closed) setSize(this.#streams.fd, this.#size);
  }

  /**
   * Hangs up, as closing a terminal's window does: the child and what runs in the foreground get
   * SIGHUP and SIGCONT, and find the terminal at its end. They go on if they ignore that. Output
   * that was not read is lost. A second call does nothing.
   */
  close(): void {
    this.#streams.close();
    this.#far.close();
  }

  /** As {@linkcode Terminal.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    return show("Terminal", () => this.#fields(), inspect, options);
  }

  #fields(): Record<string, unknown> {
    const { closed } = this;
    return { ...(closed ? {} : this.#measure()), ...showFd({ fd: this.#streams.fd, closed }) };
  }

  #measure(): TerminalSize {
    return this.closed ? this.#size : this.#size = getSize(this.#streams.fd);
  }
}

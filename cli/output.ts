/**
 * What `pidfd` writes: results to standard output, all else to standard error.
 *
 * Nothing waits for a write: the reader may have stalled, or the disk may be full. A limit is kept all
 * the same. So writes are queued, and done beside the program's work. Only the end of the program
 * waits for them, and looks for errors.
 *
 * @module
 */

const encoder = new TextEncoder();

/** How long to wait before a write that would have to wait is tried again, in milliseconds. */
const PAUSE = 10;

/** One of the two streams. */
class Outlet {
  readonly #stream: typeof Deno.stdout;
  readonly #isColourful: boolean;
  #written: Promise<void> = Promise.resolve();
  #pending = 0;
  #error: Error | undefined;
  #limit = Infinity;
  #endOfLine = "\n";

  constructor(stream: typeof Deno.stdout) {
    this.#stream = stream;
    this.#isColourful = !Deno.noColor && stream.isTerminal();
  }

  /** Says whether a terminal takes output as it is, so that a line does not begin by itself. */
  setRaw(isRaw: boolean): void {
    this.#endOfLine = isRaw && this.#stream.isTerminal() ? "\r\n" : "\n";
  }

  /** Queues some text. */
  write(text: string): void {
    const bytes = encoder.encode(text.replaceAll("\n", this.#endOfLine));
    this.#pending++;
    this.#written = this.#written.then(() => this.#writeAll(bytes))
      .catch((error) => {
        this.#error ??= error;
      })
      .finally(() => this.#pending--);
  }

  /** Writes bytes as they are, and resolves once that is done. */
  async pass(bytes: Uint8Array): Promise<void> {
    await this.#writeAll(bytes);
  }

  /** Whether a write has not come to its end yet. */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** A text in a style, where somebody sees it. */
  styled(text: string, style: Style): string {
    return this.#isColourful && style !== "" ? `\x1b[${style}m${text}\x1b[0m` : text;
  }

  /** Has each later call of `flushed` wait no longer than so many milliseconds from now. */
  limit(time: number): void {
    this.#limit = performance.now() + time;
  }

  /**
   * Resolves once all is written, or the time is up: with the first error, or null if there was none.
   *
   * @param time In milliseconds; without it the limit that was set, if there is one.
   */
  async flushed(time = Math.max(this.#limit - performance.now(), 0)): Promise<Error | null> {
    if (time === Infinity) {
      await this.#written;
      return this.#error ?? null;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, time));
    await Promise.race([this.#written, late]);
    clearTimeout(timer);
    return this.#error ?? (this.isBusy ? new Error("nobody reads it") : null);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      try {
        at += await this.#stream.write(bytes.subarray(at));
      } catch (error) {
        // Somebody who shares the file has made it nonblocking.
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }
}

export const stdout: Outlet = new Outlet(Deno.stdout);
export const stderr: Outlet = new Outlet(Deno.stderr as typeof Deno.stdout);

/** How a text looks: the parameter of ECMA-48's SGR. */
export type Style = "" | typeof BOLD | typeof CYAN | typeof GREEN | typeof RED | typeof YELLOW;

export const BOLD = "1";
export const RED = "31";
export const GREEN = "32";
export const YELLOW = "33";
export const CYAN = "36";

/** Prints a text as it is, with an end of line. */
export function printText(text: string): void {
  stdout.write(`${text}\n`);
}

/** Prints one object on a line; 64-bit numbers as strings, as JSON has none. */
export function printJson(value: unknown): void {
  printText(toJson(value));
}

/** An object as `printJson` prints it. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, value) => {
    if (typeof value === "bigint") return `${value}`;
    // JSON has no Infinity either: no limit is null.
    return value;
  });
}

/** Prints a line of texts, each in its style. What processes call themselves can't break out of it. */
export function printLine(...parts: readonly (readonly [text: string, style: Style])[]): void {
  printText(parts.map(([text, style]) => stdout.styled(printable(text), style)).join(""));
}

/**
 * A text without what would control the terminal, or turn the order in which a person reads it:
 * control characters, line separators, and those of the bidirectional algorithm (Unicode, UAX #9).
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "?");
}

/** Prints a heading. */
export function printHeading(text: string): void {
  printLine([text, BOLD]);
}

/** Prints a fact below a heading. */
export function printFact(name: string, value: unknown): void {
  printLine([`  ${name.padEnd(12)}`, CYAN], [` ${value}`, ""]);
}

/** Says something to the person, where errors are said. */
export function say(text: string): void {
  stderr.write(`${stderr.styled("pidfd:", RED)} ${printable(text)}\n`);
}

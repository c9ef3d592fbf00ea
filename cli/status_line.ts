/**
 * A line at the bottom of a terminal that tells what is being waited for, and for how long.
 * Anywhere else than on a terminal it isn't there.
 *
 * @module
 */

import { printable, stderr } from "./output.ts";
import { dieBy, onSignals } from "./signals.ts";
import { ownPlace } from "./terminal.ts";
import { fitted, textWidth } from "./text_width.ts";

/** Goes to the line's start and erases it. ECMA-48, CR and EL */
const ERASE = "\r\x1b[K";

/** How long a terminal may take to erase the line before the program ends, in milliseconds. */
const PARTING = 100;

/** What ends this program from outside. */
const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * The line, which is there until it is disposed of, or a signal ends the program: then it goes
 * first.
 */
export class StatusLine implements Disposable {
  readonly #text: () => string;
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #isShown = false;

  /** @param text What is waited for, at the moment when it is called. */
  constructor(text: () => string) {
    this.#text = text;
    onSignals(SIGNALS, async (signal) => {
      this[Symbol.dispose]();
      await stderr.flushed(PARTING);
      dieBy(signal);
    });
    if (!Deno.stderr.isTerminal()) return;
    this.#timer = setInterval(() => this.#draw(), 1000);
    this.#draw();
  }

  /** Prints something above the line. */
  above(print: () => void): void {
    this.#erase();
    print();
    this.#draw();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #draw(): void {
    // A terminal that has been stopped (Ctrl-S) shows the next one.
    if (this.#timer === undefined || stderr.isBusy || !ownPlace()?.isInForeground) return;
    const time = `, ${formatSeconds(performance.now() - this.#started)}`;
    // A terminal that doesn't know how wide it is says 0. In the last column, some begin a new line.
    const width = (Deno.consoleSize().columns || Infinity) - 1;
    const text = fitted(`waiting for ${printable(this.#text())}`, width - textWidth(time));
    stderr.write(ERASE + fitted(text + time, width));
    this.#isShown = true;
  }

  #erase(): void {
    if (this.#isShown) stderr.write(ERASE);
    this.#isShown = false;
  }
}

function formatSeconds(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s} s` : `${s} s`;
}

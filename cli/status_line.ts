/**
 * A line at the bottom of a terminal that tells what is being waited for, and for how long.
 * Anywhere else than on a terminal it isn't there.
 *
 * @module
 */

import { PidFd } from "../mod.ts";
import { printable } from "./output.ts";
import { dieBy, onSignals } from "./signals.ts";

/** Goes to the line's start and erases it. ECMA-48, CR and EL */
const ERASE = "\r\x1b[K";

const encoder = new TextEncoder();

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

  /** @param text What is waited for, at the moment when it is called. */
  constructor(text: () => string) {
    this.#text = text;
    onSignals(SIGNALS, (signal) => {
      this[Symbol.dispose]();
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
    if (this.#timer === undefined || !isInForeground()) return;
    const text = `waiting for ${printable(this.#text())}, ${
      formatSeconds(performance.now() - this.#started)
    }`;
    // A terminal that doesn't know how wide it is says 0.
    const width = Deno.consoleSize().columns || Infinity;
    write(ERASE + (text.length < width ? text : `${text.slice(0, Math.max(width - 2, 0))}…`));
  }

  #erase(): void {
    if (this.#timer !== undefined) write(ERASE);
  }
}

/** Whether the terminal is ours, and not the shell's that has us run in the background. proc(5) */
function isInForeground(): boolean {
  using self = PidFd.fromSelf();
  const stat = self.accessProc((proc) => proc.readTextFile("stat"));
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foreground;
}

function formatSeconds(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s} s` : `${s} s`;
}

function write(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}

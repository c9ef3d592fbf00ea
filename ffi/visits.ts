/**
 * Looks now and then while no thread does. They keep no program alive.
 *
 * Two things of Deno's can call us then, and both let the program end meanwhile: a signal listener
 * and an unref'd timer. SIGCHLD comes at once when a child ends.
 * Everything else (strangers, pipes, sockets) is found by the timer, whose steps double as long
 * as nothing happens.
 *
 * @module
 */

/** The first step between two visits, in milliseconds. */
const SHORTEST = 4;

/** The longest step between two visits, in milliseconds. */
const LONGEST = 256;

// Tests replace these, to have a clock of their own. Waits go on by the real one.
const { clearTimeout, setTimeout } = globalThis;

type Timer = ReturnType<typeof setTimeout>;

/** Calls a function now and then, until it is stopped. */
export class Visits {
  readonly #visit: () => void;
  readonly #atSignal = () => this.#visit();
  #step = SHORTEST;
  #timer: Timer;

  constructor(visit: () => void) {
    this.#visit = visit;
    try {
      Deno.addSignalListener("SIGCHLD", this.#atSignal);
    } catch {
      // The timer does without, only later.
    }
    this.#timer = this.#wait();
  }

  /** Begins again with short steps: something happened, and more may follow soon. */
  hurry(): void {
    clearTimeout(this.#timer);
    this.#step = SHORTEST;
    this.#timer = this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    Deno.removeSignalListener("SIGCHLD", this.#atSignal);
  }

  #wait(): Timer {
    const timer = setTimeout(() => {
      this.#step = Math.min(2 * this.#step, LONGEST);
      this.#timer = this.#wait();
      this.#visit();
    }, this.#step);
    Deno.unrefTimer(timer);
    return timer;
  }
}

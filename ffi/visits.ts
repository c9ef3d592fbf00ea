/**
 * Looks for events now and then, while no thread is parked. Visits don't keep the program alive.
 *
 * Two of Deno's means can call us without keeping the program alive: a signal listener and an
 * unref'd timer. SIGCHLD arrives as soon as a child ends. The timer finds everything else: other
 * processes, pipes, sockets. Its step doubles as long as nothing happens.
 *
 * @module
 */

import { timers } from "./clock.ts";

/** The shortest step between two visits, in milliseconds. */
const SHORTEST = 4;

/** The longest step between two visits, in milliseconds. */
const LONGEST = 256;

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
      // Without the listener, the timer finds children, too, only later.
    }
    this.#timer = this.#wait();
  }

  /** Starts again with the shortest step: something happened, and more may follow soon. */
  hurry(): void {
    timers().clearTimeout(this.#timer);
    this.#step = SHORTEST;
    this.#timer = this.#wait();
  }

  stop(): void {
    timers().clearTimeout(this.#timer);
    Deno.removeSignalListener("SIGCHLD", this.#atSignal);
  }

  #wait(): Timer {
    const timer = timers().setTimeout(() => {
      this.#step = Math.min(2 * this.#step, LONGEST);
      this.#timer = this.#wait();
      this.#visit();
    }, this.#step);
    Deno.unrefTimer(timer);
    return timer;
  }
}

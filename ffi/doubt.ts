/**
 * Detects a parked call that has not begun.
 *
 * Deno's blocking pool has 32 threads. While other calls occupy all of them, our parked call is in
 * the queue and sees no events. So a timer checks now and then whether events are pending. If they
 * still are at the second check in a row, the call has not begun. The check consumes no events.
 *
 * @module
 */

import { timers } from "./clock.ts";

/** The delay of the first check, and the longest delay of later ones, in milliseconds. */
const FIRST = 200;
const LONGEST = 800;

/** How long a call that has events may take to return, in milliseconds. */
const SECOND_LOOK = 50;

/** Watches one parked call after another. One timer serves many: a timer costs more than a call. */
export class Doubt {
  readonly #hasEvents: () => boolean;
  readonly #confirmed: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many calls were parked so far. `#isParked` tells whether one is parked now. */
  #calls = 0;
  #isParked = false;
  /** The number of the call that had pending events at the last check. */
  #suspect = 0;
  #isConfirmed = false;

  /**
   * @param hasEvents Whether events are pending.
   * @param confirmed Called when it is certain that the call has not begun.
   */
  constructor(hasEvents: () => boolean, confirmed: () => void) {
    this.#hasEvents = hasEvents;
    this.#confirmed = confirmed;
  }

  /** Whether the call that is parked now has not begun. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** A call was parked. */
  parked(): void {
    this.#calls++;
    this.#isParked = true;
    if (this.#timer === undefined) this.#askAfter(FIRST);
  }

  /** The parked call has returned. */
  returned(): void {
    this.#isParked = false;
    this.#isConfirmed = false;
  }

  /** No further call follows for now. */
  stop(): void {
    timers().clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #askAfter(delay: number): void {
    const timer = timers().setTimeout(() => {
      this.#timer = undefined;
      if (this.#isParked) this.#ask(delay);
    }, delay);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  #ask(delay: number): void {
    if (!this.#hasEvents()) return this.#askAfter(Math.min(2 * delay, LONGEST));
    if (this.#suspect !== this.#calls) {
      this.#suspect = this.#calls;
      return this.#askAfter(SECOND_LOOK);
    }
    this.#isConfirmed = true;
    this.#confirmed();
  }
}

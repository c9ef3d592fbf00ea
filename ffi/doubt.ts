/**
 * Whether the parked call has begun.
 *
 * Deno's blocking pool has 32 threads. While others have taken them all, a parked call waits for
 * one and finds nothing. So we ask now and then whether there is something that the call should
 * have found. If so twice in a row, it has not begun. To ask takes nothing away from it.
 *
 * @module
 */

// Tests replace these, to have a clock of their own. Waits go on by the real one.
const { clearTimeout, setTimeout } = globalThis;

/** When a call is asked for first, and how far apart later questions are at most, in ms. */
const FIRST = 200;
const LONGEST = 800;

/** How long a call that has found something may take to return, in ms. */
const SECOND_LOOK = 50;

/** The doubt about one call after another. One timer serves many: it costs more than to park. */
export class Doubt {
  readonly #hasEvents: () => boolean;
  readonly #confirmed: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many calls were parked; none is while `#isParked` is false. */
  #calls = 0;
  #isParked = false;
  /** The call that should have found something. */
  #suspect = 0;
  #isConfirmed = false;

  /**
   * @param hasEvents Whether there is something to be found.
   * @param confirmed Is called when a call has not begun.
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

  /** It has returned. */
  returned(): void {
    this.#isParked = false;
    this.#isConfirmed = false;
  }

  /** No further call follows for now. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #askAfter(delay: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isParked) this.#ask(delay);
    }, delay);
    Deno.unrefTimer(this.#timer);
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

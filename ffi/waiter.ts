/**
 * One wait: a callback that looks at what happened, and whether the program lives on for it.
 *
 * @module
 */

/** Waits for one fd. */
export interface Waiter {
  /** Stays open until the wait is over; `forget` comes before its closing. */
  readonly fd: number;
  /** What it is called for. EPOLLHUP and EPOLLERR count always. */
  readonly events: number;
  /** Whether it keeps the program alive. Without this, it does. */
  readonly keepAlive?: KeepAlive;
  /**
   * Looks at what happened, and returns whether the wait is over. It is called when the fd is
   * ready, and then at each change. What it throws goes to `fail`.
   */
  look(events: number): boolean;
  /** Ends the wait by an error. */
  fail(reason: unknown): void;
  /** Tidies up after a look that ended the wait. User code has run by then. Never throws. */
  tidy?(): void;
}

/** Counts the waits that keep the program alive. */
export interface Count {
  add(difference: number): void;
}

/** Whether the waits of one owner keep the program alive. They do, until `unref`. */
export class KeepAlive {
  #isOn = true;
  #pending = 0;
  #count: Count | undefined;

  /** A wait of the owner begins, and counts from now on. */
  begin(count: Count): void {
    this.#count = count;
    this.#pending++;
    if (this.#isOn) count.add(1);
  }

  /** A wait of the owner has ended. */
  end(): void {
    this.#pending--;
    if (this.#isOn) this.#count?.add(-1);
  }

  ref(): void {
    this.#set(true);
  }

  unref(): void {
    this.#set(false);
  }

  #set(on: boolean): void {
    if (on === this.#isOn) return;
    this.#isOn = on;
    this.#count?.add(on ? this.#pending : -this.#pending);
  }
}

/** The owner of all waits that have no other. */
export const ALWAYS: KeepAlive = new KeepAlive();

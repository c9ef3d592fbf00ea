/**
 * One wait: a callback that looks at events, and whether the wait keeps the program alive.
 *
 * @module
 */

/** Waits for one fd. */
export interface Waiter {
  /** Must stay open until the wait is over. Call `forget` before closing it. */
  readonly fd: number;
  /** The events to wait for. EPOLLHUP and EPOLLERR always count. */
  readonly events: number;
  /** Whether it keeps the program alive. Without this, it does. */
  readonly keepAlive?: KeepAlive;
  /**
   * Looks at the events, and returns whether the wait is over. It is called when the fd is ready,
   * and then at each change. If it throws, the wait ends, and `fail` gets the error.
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

/** For all waits that have no `keepAlive` of their own. */
export const ALWAYS: KeepAlive = new KeepAlive();

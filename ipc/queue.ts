/**
 * An asynchronous lock: callers get it one after another, in the order of their calls.
 *
 * @module
 */

/** A lock with a queue of waiting callers. The holder has its "turn". */
export class Queue {
  #taken = false;
  /** A function for each waiting caller. A Set keeps the order and allows removing one. */
  readonly #line = new Set<() => void>();

  /** Takes the turn if it is free. Mostly it is, and this needs no promise. */
  tryEnter(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /**
   * Resolves with the turn, which ends with {@linkcode Queue.leave}.
   *
   * @param signal Removes the caller from the queue: the promise rejects with the signal's reason.
   *   Once it has the turn, the caller must check the signal itself: only it knows whether its work
   *   can still be undone.
   */
  enter(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.tryEnter()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const begin = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const abort = () => {
      this.#line.delete(begin);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#line.add(begin);
    return promise;
  }

  /** Gives the turn to the next caller in the queue. */
  leave(): void {
    for (const begin of this.#line) {
      this.#line.delete(begin);
      begin();
      return;
    }
    this.#taken = false;
  }
}

/**
 * Turns, one after another, in the order in which they were asked for.
 *
 * @module
 */

/** A line in which one has the turn, and the others wait for theirs. */
export class Queue {
  #taken = false;
  /** What gives each its turn, first come first: a Set keeps this order, and lets anyone leave. */
  readonly #line = new Set<() => void>();

  /** Takes the turn if nobody has it. Most of the time nobody does, and this costs no promise. */
  tryEnter(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /**
   * Resolves with the turn, which ends with {@linkcode Queue.leave}.
   *
   * @param signal Takes it out of the line: it rejects with the signal's reason, and never has the
   *   turn. During its turn it has to heed the signal itself: it alone knows whether it
   *   has done already what can't be undone.
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

  /** Gives the turn to the next in the line. */
  leave(): void {
    for (const begin of this.#line) {
      this.#line.delete(begin);
      begin();
      return;
    }
    this.#taken = false;
  }
}

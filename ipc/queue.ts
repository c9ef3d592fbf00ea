/**
 * Tasks one after another, in the order in which they were asked for.
 *
 * @module
 */

/** A line of tasks. One that fails doesn't keep the next from its turn. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs a task when its turn has come.
   *
   * @param signal Takes it out of the line. Once it runs, it has to heed the signal itself: only the
   *   task knows whether it has done already what can't be undone.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const leave = () => reject(signal!.reason);
    signal?.addEventListener("abort", leave);
    const result = this.#last.then(() => {
      signal?.removeEventListener("abort", leave);
      signal?.throwIfAborted();
      return task();
    });
    result.then(resolve, reject);
    // Whoever asked for the task gets its error; the line only wants to know when it is over.
    this.#last = result.then(() => {}, () => {});
    return promise;
  }
}

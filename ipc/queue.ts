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
   * @param signal Takes it out of the line. Once it runs, it has to heed the signal itself.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const result = this.#last.then(() => {
      signal?.throwIfAborted();
      return task();
    });
    // Whoever asked for the task gets its error; the line only wants to know when it is over.
    this.#last = result.then(() => {}, () => {});
    return signal ? orAbort(result, signal) : result;
  }
}

/** A promise that doesn't wait for its turn to reject when the signal aborts. */
function orAbort<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) abort();
  });
}

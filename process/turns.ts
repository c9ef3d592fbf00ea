/**
 * Long work in slices, so that a program with thousands of processes to look at does other things, too.
 *
 * @module
 */

/** How long we keep the event loop from others, in milliseconds. */
const SLICE = 8;

/** Gives others their turn of the event loop once ours has taken long enough. */
export class Turns {
  #began = 0;

  begin(): void {
    this.#began = performance.now();
  }

  get isOver(): boolean {
    return performance.now() - this.#began > SLICE;
  }

  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.begin();
  }
}

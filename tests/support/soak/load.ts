/**
 * Operations at full speed, so many of them at a time.
 *
 * @module
 */

import { PATIENCE } from "../patience.ts";

/** What is done over and over again, by name. */
export type Operations = Readonly<Record<string, () => Promise<void>>>;

/** An operation that failed, or that didn't end. */
export class OperationError extends Error {
  override readonly name = "OperationError";
}

/** Does operations whenever it is on, until one of them fails. */
export class Load {
  /** How often each operation was done. */
  readonly done: Record<string, number>;
  readonly #operations: [string, () => Promise<void>][];
  readonly #concurrency: number;
  readonly #underWay = new Map<number, string>();
  readonly #failed = Promise.withResolvers<never>();
  #workers: Promise<void>[] = [];
  #isOn = false;

  constructor(operations: Operations, concurrency: number) {
    this.#operations = Object.entries(operations);
    this.#concurrency = concurrency;
    this.done = Object.fromEntries(Object.keys(operations).map((name) => [name, 0]));
    // Whoever waits for it is told; until then it must not end the program.
    this.#failed.promise.catch(() => {});
  }

  /** Rejects once an operation has failed. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** How many operations were done. */
  get total(): number {
    return Object.values(this.done).reduce((sum, count) => sum + count);
  }

  start(): void {
    this.#isOn = true;
    this.#workers = Array.from({ length: this.#concurrency }, (_, i) => this.#work(i));
  }

  /** Resolves once all that are under way have ended, and each worker has done each operation. */
  async stop(): Promise<void> {
    this.#isOn = false;
    const end = Promise.all(this.#workers);
    // A slow machine takes its time, but gets on.
    for (let before = -1; before < this.total;) {
      before = this.total;
      if (await settlesWithin(PATIENCE, end)) return;
    }
    throw new OperationError(`these don't end: ${[...this.#underWay.values()].join(", ")}`);
  }

  /** Does one after the other; each worker begins with another one. */
  async #work(worker: number): Promise<void> {
    const all = this.#operations;
    for (let i = worker; this.#isOn || i < worker + all.length; i++) {
      const [name, operation] = all[i % all.length];
      this.#underWay.set(worker, name);
      try {
        await operation();
      } catch (cause) {
        this.#failed.reject(new OperationError(`${name} failed`, { cause }));
        break;
      }
      this.done[name]++;
    }
    this.#underWay.delete(worker);
  }
}

async function settlesWithin(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

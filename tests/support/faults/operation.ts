/**
 * The form of what is done under faults.
 *
 * @module
 */

/** Has something closed when the operation is over; returns it. */
export type Keep = <T extends Disposable | AsyncDisposable>(resource: T) => T;

/** One public operation of the library. */
export interface Operation {
  /** Makes what it needs, without faults; what it keeps is closed without faults, too. */
  readonly prepare: (keep: Keep) => unknown;
  /**
   * The operation itself. What it returns is the same each time if all went well; a function is
   * called for that later, without faults. What it keeps is closed without faults, too.
   */
  // deno-lint-ignore no-explicit-any
  readonly run: (fixture: any, keep: Keep) => unknown;
  /**
   * Calls that can't be made to fail here, because strace doesn't do what it lets fail: the end of
   * a pipe that wasn't closed in truth keeps its reader waiting.
   */
  readonly exempt: readonly string[];
  /** What it can't even be prepared without. */
  readonly needs?: Need;
  /**
   * Present if what fails are calls of its child's, before that executes its program: some that it
   * makes for certain.
   */
  readonly childCalls?: readonly string[];
}

/** Something that not every machine has. */
export interface Need {
  readonly what: string;
  readonly isThere: boolean;
}

/** Many of them, by their names. */
export type Operations = Readonly<Record<string, Operation>>;

/** An operation that needs something. */
export function on<F>(
  prepare: (keep: Keep) => F | Promise<F>,
  run: (fixture: F, keep: Keep) => unknown,
  ...exempt: string[]
): Operation {
  return { prepare, run, exempt };
}

/** An operation that needs nothing. */
export function plain(run: (keep: Keep) => unknown, ...exempt: string[]): Operation {
  return { prepare: () => {}, run: (_, keep) => run(keep), exempt };
}

/** Waits while something is done, and no longer if that fails; if the waiting fails, it isn't done. */
export async function during<T>(
  wait: (signal: AbortSignal) => Promise<T>,
  act: () => unknown,
): Promise<T> {
  const failed = new AbortController();
  const waited = wait(failed.signal);
  // By then it waits.
  const turn = new Promise((resolve) => setTimeout(resolve));
  await Promise.race([turn, waited]);
  try {
    await act();
  } catch (error) {
    failed.abort();
    await Promise.allSettled([waited]);
    throw error;
  }
  return await waited;
}

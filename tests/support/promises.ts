/**
 * What can be said of promises before they are settled.
 *
 * @module
 */

/** Resolves once all that was due has happened. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Whether a promise isn't settled by now. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  // Not even its rejection is of interest here.
  return await Promise.race([promise, Promise.resolve(pending)]).catch(() => null) === pending;
}

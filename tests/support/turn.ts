/**
 * For what happens a moment later without any event that could be waited for.
 *
 * @module
 */

/** Resolves when all has happened that was due in this turn of the event loop and the next. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Stands in for `@std/async` where JSR can't be reached: the functions that the tests use, as
 * documented there, on `node:timers/promises`.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

export function delay(ms: number, options: { signal?: AbortSignal } = {}): Promise<void> {
  return sleep(ms, undefined, options);
}

export async function deadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
    throw new DOMException("Signal timed out.", "TimeoutError");
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    await late.catch(() => {});
  }
}

/**
 * Watches what the library calls.
 *
 * @module
 */

import { libc } from "../../ffi/libc.ts";
import { shadow } from "./shadow.ts";

/** The names of libc's functions that were called, in order. */
export interface Calls extends Disposable {
  readonly names: string[];
}

/**
 * Notes all calls of libc's functions until the end of the block, but for those that run on
 * another thread.
 */
export function watchCalls(): Calls {
  const functions = libc() as Record<string, unknown>;
  const names: string[] = [];
  const stack = new DisposableStack();
  for (const [name, call] of Object.entries(functions)) {
    const isOurs = Object.getOwnPropertyDescriptor(functions, name)?.configurable;
    if (typeof call !== "function" || !isOurs) continue;
    const watched = (...args: unknown[]) => {
      names.push(name);
      return call(...args);
    };
    stack.use(shadow(functions, name, () => watched));
  }
  return { names, [Symbol.dispose]: () => stack.dispose() };
}

/**
 * Watches what the library calls.
 *
 * @module
 */

import { folderLibc } from "../../ffi/folders.ts";
import { launcherLibc } from "../../ffi/launcher_symbols.ts";
import { libc } from "../../ffi/libc.ts";
import { socketLibc } from "../../ffi/socket_symbols.ts";
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
  const names: string[] = [];
  const stack = new DisposableStack();
  for (
    const functions of [libc(), socketLibc(), launcherLibc(), folderLibc()] as Record<
      string,
      unknown
    >[]
  ) {
    for (const [name, call] of Object.entries(functions)) {
      const isOurs = Object.getOwnPropertyDescriptor(functions, name)?.configurable;
      if (typeof call !== "function" || !isOurs) continue;
      const watched = (...args: unknown[]) => {
        names.push(name);
        return call(...args);
      };
      stack.use(shadow(functions, name, () => watched));
    }
  }
  return { names, [Symbol.dispose]: () => stack.dispose() };
}

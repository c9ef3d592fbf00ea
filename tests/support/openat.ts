/**
 * Comes between the library and the files that it opens: what happens in that very moment can't
 * be left to chance.
 *
 * @module
 */

import { libc } from "../../ffi/libc.ts";
import { cString, fromCString } from "../../structs/cstring.ts";
import { shadow } from "./shadow.ts";

/** What happens around an opening. */
export interface AroundOpening {
  before?: () => void;
  after?: () => void;
}

/** An intervention that ends with the block. */
export interface Intervention extends Disposable {
  /** Whether the file was opened, and so what should happen has happened. */
  readonly done: boolean;
}

/** Does something once, right before or after the library opens a path that has this end. */
export function whenOpening(end: string, { before, after }: AroundOpening): Intervention {
  const { openat } = libc();
  let done = false;
  const intercept: typeof openat = (...args) => {
    if (done || !fromCString(args[1] as Uint8Array).endsWith(end)) return openat(...args);
    done = true;
    before?.();
    const fd = openat(...args);
    after?.();
    return fd;
  };
  const shadowed = shadow(libc(), "openat", () => intercept);
  return {
    get done() {
      return done;
    },
    [Symbol.dispose]: () => shadowed[Symbol.dispose](),
  };
}

/** Has the library open another file in place of one, until the end of the block. */
export function openingInstead(path: string, other: string): Disposable {
  const { openat } = libc();
  const intercept: typeof openat = (dir, name, ...rest) => {
    const isIt = fromCString(name as Uint8Array) === path;
    return openat(dir, isIt ? cString(other, "path") : name, ...rest);
  };
  return shadow(libc(), "openat", () => intercept);
}

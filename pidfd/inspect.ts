/**
 * The text that `console.log` shows for handles: which object it is, and its state. Nothing here
 * ever throws, because people print handles while they look for an error.
 *
 * @module
 */

import { AT_FDCWD, readlinkat } from "../ffi/files.ts";
import type { FdHandle } from "./fd_handle.ts";
import type { PidFd } from "./pidfd.ts";

/** The method that `Deno.inspect` calls, and that `node:util` in Deno calls. */
export const customInspect: unique symbol = Symbol.for("Deno.customInspect");

/** The values that are shown of an object, by name. */
type Fields = Record<string, unknown>;

/** An object's text: the name of its class, and its fields. */
export function show(
  name: string,
  fields: () => Fields,
  inspect: typeof Deno.inspect,
  options: Deno.InspectOptions,
): string {
  // `fields` throws for a prototype object: this method is called on it, too, when it is printed.
  return `${name} ${inspect(orNull(fields) ?? {}, options)}`;
}

/** A handle's descriptor, or `closed`. */
export function showFd({ fd, closed }: { fd: number; closed: boolean }): Fields {
  if (closed) return { closed };
  return fd < 0 ? {} : { fd };
}

/**
 * A process: its PID, and whether it has ended. If it has no PID (any more) in our PID namespace,
 * its id is shown instead.
 */
export function showProcess(pidfd: PidFd): Fields {
  // A handle that was made after the reaping has no descriptor, but `isAlive` still works.
  if (pidfd.closed && orNull(() => pidfd.isAlive()) === null) return showFd(pidfd);
  const pid = orNull(() => pidfd.getPid());
  const id = pid === null ? orNull(() => pidfd.getId()) : null;
  const hasEnded = orNull(() => !pidfd.isAlive());
  return {
    pid,
    ...(id === null ? {} : { id }),
    ...showFd(pidfd),
    ...(hasEnded ? { ended: true } : {}),
  };
}

/** A descriptor, and its open file: a path, or `pipe:[4711]` and the like. */
export function showFile(handle: FdHandle): Fields {
  const path = orNull(() => readlinkat(AT_FDCWD, `/proc/self/fd/${handle.use()}`));
  return { ...showFd(handle), ...(path === null ? {} : { path }) };
}

function orNull<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch {
    return null;
  }
}

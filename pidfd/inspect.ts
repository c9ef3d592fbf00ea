/**
 * What `console.log` shows of handles: which one it is, and its state. It is for people who look
 * for a fault, often at a bad moment: nothing here ever throws.
 *
 * @module
 */

import { AT_FDCWD, readlinkat } from "../ffi/files.ts";
import type { FdHandle } from "./fd_handle.ts";
import type { PidFd } from "./pidfd.ts";

/** The method that Deno's inspection asks, and that of `node:util` in Deno. */
export const customInspect: unique symbol = Symbol.for("Deno.customInspect");

/** What is shown of an object, by name. */
type Fields = Record<string, unknown>;

/** An object's text: its class's name, and what there is to show. */
export function show(
  name: string,
  fields: () => Fields,
  inspect: typeof Deno.inspect,
  options: Deno.InspectOptions,
): string {
  // Nothing can be told of a prototype, which is asked as well if it is printed.
  return `${name} ${inspect(orNull(fields) ?? {}, options)}`;
}

/** A handle's descriptor, or that it is closed. */
export function showFd({ fd, closed }: { fd: number; closed: boolean }): Fields {
  if (closed) return { closed };
  return fd < 0 ? {} : { fd };
}

/**
 * A process: by its id once it has no PID any more, or none in our PID namespace, and whether it
 * has ended.
 */
export function showProcess(pidfd: PidFd): Fields {
  // One that was made after its process was reaped has no descriptor, but knows that much.
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

/** A descriptor, and what it is open on: a path, or `pipe:[4711]` and the like. */
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

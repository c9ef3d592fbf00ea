/**
 * Garbage collections, which the engine does when it likes to, done for certain.
 *
 * @module
 */

import { FdHandle } from "../../pidfd/fd_handle.ts";
import { openFile, openOn } from "./fds.ts";
import { eventually } from "./processes.ts";

declare const gc: () => void;

/** Collects garbage until what should come of it has come. */
export async function collectedUntil(condition: () => boolean): Promise<void> {
  await eventually("the garbage is collected", () => {
    gc();
    return condition();
  });
}

/** Resolves once all handles that were dropped before have been closed, if they ever are. */
export async function collected(): Promise<void> {
  // Nothing tells of a collection but a handle that is closed by it. The ones before it in the
  // registry have had their turn by then.
  const path = "/dev/null";
  const fd = openFile(path);
  (function drop() {
    new FdHandle(fd, "dropped handle");
  })();
  // The number can be another file's at once, such as one that Deno opens a while after its start.
  await collectedUntil(() => openOn(fd) !== path);
}

/**
 * Children that are started by a plan, below `spawn()`: nothing but their pidfd is made for them.
 *
 * @module
 */

import { AT_FDCWD, discard, O_RDWR, openat } from "../../ffi/files.ts";
import { stringVector } from "../../ffi/steps.ts";
import type { ChildPlan } from "../../process/setup.ts";
import { start } from "../../process/start.ts";

/**
 * Starts a shell command, and returns its pidfd. Unless told otherwise, it has no environment, and
 * its streams lead nowhere.
 */
export function startPlanned(command: string, more: Partial<ChildPlan> = {}): number {
  const nothing = openat(AT_FDCWD, "/dev/null", O_RDWR);
  try {
    const fds = new Map([[0, nothing], [1, nothing], [2, nothing], ...more.fds ?? []]);
    const environment = stringVector([], "env");
    return start({ path: "/bin/sh", argv: ["sh", "-c", command], environment, ...more, fds }).pidfd;
  } finally {
    discard(nothing);
  }
}

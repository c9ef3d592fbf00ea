/**
 * Processes for operations, by the way that is tried.
 *
 * @module
 */

import { type Child, spawn, type SpawnOptions, SyscallError } from "../../../mod.ts";
import type { Keep } from "./operation.ts";

/** Starts a process that ends, whatever becomes of the operation. */
export function start(keep: Keep, command: string, options: SpawnOptions = {}): Child {
  const child = spawn(command, options);
  keep({
    async [Symbol.asyncDispose]() {
      unlessGone(() => child.kill("SIGKILL"));
      const [{ status }] = await Promise.allSettled([child.status]);
      const disposed = child[Symbol.asyncDispose]();
      // It says once more what became of the status, if that was refused.
      await (status === "fulfilled" ? disposed : Promise.allSettled([disposed]));
    },
  });
  return child;
}

function unlessGone(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
  }
}

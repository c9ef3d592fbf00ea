/**
 * Processes for operations, by the way that is tried.
 *
 * @module
 */

import { type Child, features, spawn, type SpawnOptions, SyscallError } from "../../../mod.ts";
import { CGROUPS, hasCgroups, TestCgroup } from "../cgroups.ts";
import type { Keep, Need, Operations } from "./operation.ts";

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

const IN_CGROUP: Need = {
  what: `${CGROUPS}, and glibc 2.39`,
  isThere: hasCgroups && features().cgroupSpawn,
};

/** Operations on a new cgroup, for children to be born into. */
export function inCgroup(
  acts: Readonly<Record<string, (cgroup: TestCgroup, keep: Keep) => unknown>>,
  ...exempt: string[]
): Operations {
  const prepare = (keep: Keep) => keep(new TestCgroup());
  return Object.fromEntries(
    Object.entries(acts).map(([name, run]) => [name, { prepare, run, exempt, needs: IN_CGROUP }]),
  );
}

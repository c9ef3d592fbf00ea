/**
 * Processes for operations, started by what is tried itself.
 *
 * @module
 */

import { type Child, features, spawn, type SpawnOptions, SyscallError } from "../../../mod.ts";
import { CGROUPS, hasCgroups, TestCgroup } from "../cgroups.ts";
import { type Keep, type Need, on, type Operation } from "./operation.ts";

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
  what: CGROUPS,
  isThere: hasCgroups,
};

/** Children that the kernel kills with their last handle. */
export const KILL_ON_CLOSE: Need = { what: "Linux 7.1", isThere: features().killOnClose };

/** A program's first start looks which signals are ignored, and no further one does. */
export const FIRST = "rt_sigaction";

/**
 * What isn't tried where a cgroup ends with a tree: Deno itself writes meanwhile, now more often and
 * now less; and the search for a tree goes everywhere.
 */
export const UNTRIED_WITH_CGROUPS = ["write", "getdents64", "pidfd_open", "read", "statx"];

/**
 * An operation on a new cgroup, for children to be born into. Its second try gets another one, as
 * some kernels kill whoever is born into a cgroup that was ended before.
 */
export function inCgroup(
  run: (cgroup: TestCgroup, keep: Keep) => unknown,
  ...exempt: string[]
): Operation {
  const operation = on(
    (keep) => [keep(new TestCgroup()), keep(new TestCgroup())],
    (cgroups, keep) => run(cgroups.pop()!, keep),
    ...exempt,
  );
  return { ...operation, needs: IN_CGROUP };
}

/**
 * Cgroups, and children that are contained, by either means.
 *
 * @module
 */

import { Cgroup, type SpawnOptions } from "../../../../mod.ts";
import { ownCgroups } from "../../../../process/containment.ts";
import { CGROUPS } from "../../cgroups.ts";
import { Runaway } from "../../escapes.ts";
import { without } from "../../shadow.ts";
import { type Keep, on, type Operation, type Operations } from "../operation.ts";
import { FIRST, start } from "../start.ts";

const NEEDS = { what: CGROUPS, isThere: ownCgroups.available };

/**
 * What isn't tried: Deno itself writes meanwhile, now more often and now less; a search goes
 * everywhere, and what is gone by then is none of its processes.
 */
const UNTRIED = [
  ...["write", "read", "close", "getdents64", "pidfd_open", "ioctl", "statx", "epoll_ctl"],
];

/** An operation on a cgroup of its own. */
function onCgroup(run: (cgroup: Cgroup, keep: Keep) => unknown): Operation {
  return { ...on((keep) => keep(Cgroup.create()), run, ...UNTRIED), needs: NEEDS };
}

/** An operation on a contained child. */
function contained(
  means: "cgroup" | "mark",
  run: (options: SpawnOptions, keep: Keep) => unknown,
): Operation {
  const operation = on(
    (keep) => {
      if (means === "mark") keep(without(ownCgroups));
      return { contain: true, end: { grace: 100 } };
    },
    run,
    FIRST,
    ...UNTRIED,
  );
  return means === "mark" ? operation : { ...operation, needs: NEEDS };
}

/** Ends a daemon and its parent; returns whether any is left. */
async function disposal(options: SpawnOptions, keep: Keep): Promise<unknown> {
  const runaway = new Runaway();
  const script = `setsid ${runaway.command} & exec ${runaway.command}`;
  const child = start(keep, "/bin/sh", { args: ["-c", script], ...options });
  await child[Symbol.asyncDispose]();
  return () => runaway.pids().length;
}

export const operations: Operations = {
  "Cgroup.create()": {
    ...on(() => {}, async (_, keep) => {
      const cgroup = keep(Cgroup.create());
      await cgroup[Symbol.asyncDispose]();
      return cgroup.closed;
    }, ...UNTRIED),
    needs: NEEDS,
  },
  "Cgroup.stats()": onCgroup((cgroup) => cgroup.stats().cpuTime.user >= 0),
  "Cgroup.processes()": onCgroup((cgroup) => cgroup.processes().length),
  "Cgroup.freeze() and thaw()": onCgroup(async (cgroup) => {
    await cgroup.freeze();
    await cgroup.thaw();
  }),
  "Cgroup.emptied()": onCgroup((cgroup) => cgroup.emptied()),
  ...Object.fromEntries((["cgroup", "mark"] as const).flatMap((means) => [
    [
      `spawn() contained by a ${means}`,
      contained(
        means,
        (options, keep) => start(keep, "/bin/sh", { args: ["-c", "exit 7"], ...options }).status,
      ),
    ],
    [`Child's disposal, contained by a ${means}`, contained(means, disposal)],
  ])),
};

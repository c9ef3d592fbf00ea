/**
 * Waiting for a process's end, and bringing it about.
 *
 * @module
 */

import { killTree, PidFd, spawn } from "../../../../mod.ts";
import { CGROUPS, hasCgroups, TestCgroup } from "../../cgroups.ts";
import { blockUntilEnded, startHeld, startUnreaped } from "../../children.ts";
import { eventually, readStat, startStranger } from "../../processes.ts";
import { Mark } from "../../trees.ts";
import { during, type Keep, on, type Operations } from "../operation.ts";
import { UNTRIED_WITH_CGROUPS } from "../start.ts";

/** A child that ended, and that nobody has reaped. */
function zombie(keep: Keep): PidFd {
  const { pid, pidfd } = keep(startUnreaped("exit 7"));
  blockUntilEnded(pid);
  return pidfd;
}

/** A child that ends a moment after it was continued, so that there is something to wait for. */
async function stopped(keep: Keep): Promise<PidFd> {
  const { pid, pidfd } = keep(startUnreaped("kill -STOP $$; sleep 0.1; exit 7"));
  await eventually("the child has stopped", () => readStat(pid)?.state === "T");
  return pidfd;
}

/** A child that runs. */
function running(keep: Keep): PidFd {
  return keep(startUnreaped("exec sleep 60")).pidfd;
}

/** A child with two children of its own. */
async function family(keep: Keep): Promise<{ root: PidFd; mark: Mark }> {
  const mark = keep(new Mark());
  const args = ["-c", "sleep 60 & sleep 60 & wait"];
  const child = keep(spawn("/bin/sh", { args, env: mark.env }));
  await eventually("all three are there", () => mark.pids().length === 3);
  return { root: keep(child.pidfd), mark };
}

/** Ends a process; one that has ended may be reaped already. */
function end(pidfd: PidFd): void {
  if (pidfd.isAlive()) pidfd.kill();
}

/** A process that is no child of ours and has ended. */
async function stranger(keep: Keep): Promise<{ pidfd: PidFd; reap: () => Promise<void> }> {
  const { pid, reap } = keep(await startStranger("exit 7"));
  const pidfd = keep(PidFd.fromPid(pid));
  await eventually("the stranger has ended", () => !pidfd.isAlive());
  return { pidfd, reap };
}

/** A process that is no child of ours and was reaped. */
async function gone(keep: Keep): Promise<PidFd> {
  const { pidfd, reap } = await stranger(keep);
  await reap();
  return pidfd;
}

export const operations: Operations = {
  "PidFd.tryWait() on a zombie": on(zombie, (pidfd) => pidfd.tryWait()),
  "PidFd.tryWait() to reap": on(zombie, (pidfd) => pidfd.tryWait({ reap: true })),
  "PidFd.tryWait() on a child that runs": on(running, (pidfd) => pidfd.tryWait()),
  "PidFd.tryWait() on a stranger's zombie": on(stranger, ({ pidfd }) => pidfd.tryWait()),
  "PidFd.tryWait() on a stranger that is gone": on(gone, (pidfd) => pidfd.tryWait()),
  "PidFd.waitSync()": on(stopped, (pidfd) => {
    pidfd.sendSignal("SIGCONT");
    return pidfd.waitSync();
  }),
  "PidFd.waitSync() for too short a time": on(running, (pidfd) => pidfd.waitSync({ timeout: 1 })),
  "PidFd.wait() on a zombie": on(zombie, (pidfd) => pidfd.wait()),
  "PidFd.wait() on a child that runs": on(
    running,
    (pidfd) => during((signal) => pidfd.wait({ signal, reap: true }), () => end(pidfd)),
  ),
  "PidFd.wait() on a child of Deno's": on(
    (keep) => {
      const held = keep(startHeld(7));
      return { held, pidfd: keep(PidFd.fromChild(held.child)) };
    },
    ({ held, pidfd }) => during((signal) => pidfd.wait({ signal }), () => held.exit()),
    "close",
  ),
  "PidFd.wait() that is aborted": on(running, (pidfd) => {
    const controller = new AbortController();
    const wait = pidfd.wait({ signal: controller.signal });
    controller.abort();
    return wait;
  }),
  "PidFd.wait() on a handle that is closed": on(running, (pidfd) => {
    const clone = pidfd.clone();
    const wait = clone.wait();
    wait.catch(() => {});
    clone.close();
    return wait;
  }),
  "PidFd.exited()": on(
    running,
    (pidfd) => during((signal) => pidfd.exited({ signal }), () => end(pidfd)),
  ),
  "PidFd.terminate()": on(
    running,
    (pidfd) => pidfd.terminate(),
    // Whether it takes a wait depends on how fast the process ends. With SIGKILL it always does.
    ...["epoll_create1", "epoll_ctl", "eventfd2", "read", "write", "close"],
  ),
  "PidFd.terminate() with SIGKILL": on(
    (keep) => keep(startUnreaped("trap '' TERM; exec sleep 60")).pidfd,
    async (pidfd) => (await pidfd.terminate({ grace: 1 })).code > 128,
  ),
  "killTree()": on(running, async (pidfd) => {
    const { refused } = await killTree(pidfd);
    return () => [pidfd.isAlive(), refused.length];
  }),
  "killTree() with a cgroup": {
    ...on(
      (keep) => {
        const cgroup = keep(new TestCgroup());
        const { pid, pidfd: other } = keep(startUnreaped("exec sleep 60"));
        cgroup.add(pid);
        return { cgroup, root: running(keep), other };
      },
      async ({ cgroup, root, other }) => {
        const { refused } = await killTree(root, { cgroup: cgroup.path });
        return () => [root.isAlive(), other.isAlive(), refused.length];
      },
      ...UNTRIED_WITH_CGROUPS,
    ),
    needs: { what: CGROUPS, isThere: hasCgroups },
  },
  "killTree() of a family": on(
    family,
    async ({ root, mark }) => {
      const { refused } = await killTree(root);
      return async () => {
        const left = mark.pids().length;
        // A second try can't find those whose parent has ended.
        await mark[Symbol.asyncDispose]();
        return [left, refused.length];
      };
    },
    // killTree makes none: it is by these that the family's own handle waits for its root.
    "waitid",
  ),
};

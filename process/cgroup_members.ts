/**
 * The processes of a cgroup, one by one. `cgroup.procs` tells PIDs, which say nothing for sure until
 * their processes are held: one that is held, and is in the cgroup by then, is meant.
 *
 * @module
 */

import { PidFd } from "../pidfd/pidfd.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";
import { unlessGone } from "./relatives.ts";

/** The processes in the cgroup and below it. Each comes with a handle that is the caller's to close. */
export function* members(folder: CgroupFolder): Generator<PidFd, undefined> {
  const listings = folder.listings();
  // One can have moved among them since it was listed.
  const ids = new Set(listings.map(({ id }) => id));
  for (const { pids } of listings) {
    for (const pid of pids) {
      const pidfd = unlessGone(() => openMember(pid, ids));
      if (pidfd !== undefined) yield pidfd;
    }
  }
}

function openMember(pid: number, ids: ReadonlySet<bigint>): PidFd | undefined {
  using opened = new DisposableStack();
  const pidfd = opened.use(PidFd.fromPid(pid));
  if (!ids.has(pidfd.getCgroupId()) || !pidfd.isAlive()) return undefined;
  opened.move();
  return pidfd;
}

/**
 * Ending all that is in a cgroup: ask everyone, give them time, and have the kernel kill those that
 * are left. Each is held only as long as it takes, so that there can be more than there are
 * descriptors.
 *
 * They are asked while the cgroup is frozen: then nobody can start another one that isn't asked.
 *
 * @module
 */

import type { KeepAlive } from "../ffi/waiter.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import { within } from "../pidfd/terminate.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";
import { members } from "./cgroup_members.ts";
import { SIGCONT, SIGKILL, STOP_LIMIT } from "./held.ts";
import {
  commandOf,
  idOf,
  isRefused,
  isStuck,
  type KilledProcess,
  type KilledTree,
} from "./member.ts";
import { unlessGone } from "./relatives.ts";
import { Turns } from "./turns.ts";

/** How they are ended. */
export interface Ending {
  /** The number of the signal that asks them. */
  readonly signal: number;
  readonly grace: number;
  readonly abort?: AbortSignal;
  /** Whether a process has got the signal already, in another way: it is sent it no more. */
  readonly hasGot?: (process: PidFd) => boolean;
}

/**
 * Ends all processes of a cgroup, and those that they start until then.
 *
 * @param keepAlive Whether this keeps the program alive. Without this, it does.
 */
export async function endCgroup(
  folder: CgroupFolder,
  how: Ending,
  keepAlive?: KeepAlive,
): Promise<KilledTree> {
  const { signal, grace, abort, hasGot } = how;
  folder.requireKill();
  const waited = (time: number, event: (late: AbortSignal) => Promise<void>) =>
    within(time, event, abort, keepAlive);
  const ended = new Map<string, KilledProcess>();
  const isGentle = signal !== SIGKILL && grace > 0;
  if (isGentle) {
    {
      using _ = folder.freeze();
      // One that is held up in the kernel can't start others either.
      await waited(STOP_LIMIT, (late) => folder.until("frozen 1", late, keepAlive));
      await each(folder, ended, (pidfd) => {
        if (hasGot?.(pidfd) || !isRefused(pidfd, signal)) isRefused(pidfd, SIGCONT);
      });
    }
    await waited(grace, (late) => folder.until("populated 0", late, keepAlive));
  }
  // Those that are left or new.
  await each(folder, ended);
  const stuck = new Map<string, KilledProcess>();
  // Thousands take their time. Whoever the kernel can't end is named.
  while (!await waited(STOP_LIMIT, (late) => folder.kill(late, keepAlive))) {
    let areStuck = true;
    await each(folder, stuck, (pidfd) => areStuck &&= isStuck({ pidfd }));
    if (areStuck && stuck.size > 0) break;
    stuck.clear();
  }
  return {
    ended: [...ended].flatMap(([key, process]) => stuck.has(key) ? [] : [process]),
    refused: [],
    stuck: [...stuck.values()],
  };
}

/** Does something with each of its processes, and notes who that is. */
async function each(
  folder: CgroupFolder,
  noted: Map<string, KilledProcess>,
  act?: (pidfd: PidFd) => void,
): Promise<void> {
  const turns = new Turns();
  turns.begin();
  for (const pidfd of members(folder)) {
    try {
      const process = unlessGone(() => who(pidfd));
      if (process) noted.set(`${process.pid}:${process.id ?? process.command}`, process);
      act?.(pidfd);
    } finally {
      pidfd.close();
    }
    if (turns.isOver) await turns.next();
  }
}

function who(pidfd: PidFd): KilledProcess {
  return { pid: pidfd.getPid(), id: idOf(pidfd), command: commandOf(pidfd) ?? "" };
}

/**
 * The duty of a subreaper, or of a container's first process: reaping children that others have
 * left.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { peekEndedChild } from "../ffi/syscalls.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import type { Child } from "../process/child.ts";

/** The PID of the command, until its handle has reaped it. */
let spared: number | undefined;

/**
 * Reaps orphans that this program has inherited, as long as the program runs. The command itself is
 * reaped by its handle.
 */
export function reapOrphans(command: Child): void {
  spared = command.pid;
  const reaped = () => {
    spared = undefined;
    // Those that ended behind the command were hidden by it.
    reap();
  };
  command.status.then(reaped, reaped);
  Deno.addSignalListener("SIGCHLD", reap);
  // Some can have ended between the command's start and now.
  reap();
}

/** Whether this program has any child, reaped those that have ended. */
export function hasChildren(): boolean {
  return reap() !== "ECHILD";
}

function reap(): ReturnType<typeof peekEndedChild> {
  for (;;) {
    const pid = peekEndedChild();
    if (typeof pid !== "number" || pid === spared) return pid;
    try {
      using orphan = PidFd.fromPid(pid);
      if (orphan.tryWait({ reap: true }) === null) return pid;
    } catch (error) {
      // For want of descriptors, say: the next one to end is another chance.
      if (!(error instanceof SyscallError)) throw error;
      return pid;
    }
  }
}

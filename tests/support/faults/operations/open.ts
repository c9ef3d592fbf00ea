/**
 * The ways to a handle, and what becomes of it.
 *
 * @module
 */

import { duplicate, isOpen } from "../../../../ffi/files.ts";
import { features, OwnedFd, PidFd } from "../../../../mod.ts";
import { startHeld } from "../../children.ts";
import { type Keep, on, type Operation, type Operations, plain } from "../operation.ts";

const self = (keep: Keep) => keep(PidFd.fromSelf());

/** Whether a handle is one on this program. */
function isSelf(pidfd: PidFd): () => boolean {
  return () => pidfd.getPid() === Deno.pid;
}

/** An operation that finds this program again by what it has noted of it. */
function again<T>(note: (self: PidFd) => T, find: (noted: T) => PidFd): Operation {
  return {
    ...on((keep) => note(self(keep)), (noted, keep) => isSelf(keep(find(noted)))),
    needs: { what: "Linux 6.9", isThere: features().ids },
  };
}

export const operations: Operations = {
  "PidFd.fromSelf()": plain((keep) => isSelf(keep(PidFd.fromSelf()))),
  "PidFd.fromPid()": plain((keep) => isSelf(keep(PidFd.fromPid(Deno.pid)))),
  "PidFd.fromPid() with an id": again(
    (self) => self.getId(),
    (id) => PidFd.fromPid(Deno.pid, { id }),
  ),
  "PidFd.fromPid() for a thread": plain((keep) =>
    isSelf(keep(PidFd.fromPid(Deno.pid, { thread: true })))
  ),
  "PidFd.fromChild()": on(
    (keep) => keep(startHeld(7)),
    (held, keep) => {
      const pidfd = keep(PidFd.fromChild(held.child));
      return () => pidfd.getPid() === held.child.pid;
    },
  ),
  "PidFd.fromId()": again((self) => self.getId(), (id) => PidFd.fromId(id)),
  "PidFd.fromRef()": again((self) => self.toRef(), (ref) => PidFd.fromRef(ref)),
  "PidFd.fromFd()": on(
    // Refused or not, it is closed once.
    (keep) => keep(new OwnedFd(duplicate(self(keep).fd))),
    (given) => {
      const number = given.fd;
      const pidfd = PidFd.fromFd(number);
      return () => isSelf(pidfd)() && pidfd.intoFd() === number && isOpen(number);
    },
  ),
  "PidFd.clone()": on(self, (pidfd, keep) => isSelf(keep(pidfd.clone()))),
  "PidFd.equals()": on(
    (keep) => [self(keep), self(keep)],
    ([one, other]) => one.equals(other),
  ),
  "PidFd.setCloseOnExec()": on(self, (pidfd) => pidfd.setCloseOnExec(true)),
  "PidFd.close()": on(self, (pidfd) => {
    pidfd.close();
    return () => pidfd.closed;
  }),
  "PidFd.toRef()": on(self, (pidfd) => pidfd.toRef().pid === Deno.pid),
};

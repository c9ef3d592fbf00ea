/**
 * What a handle is asked: who its process is, and what it has.
 *
 * @module
 */

import {
  infoIoctl,
  namespaceIoctls,
  pidfsIds,
  setnsPidfd,
  signalScopes,
} from "../../../../ffi/capabilities.ts";
import { duplicate, isOpen } from "../../../../ffi/files.ts";
import { OwnedFd, PidFd, setSubreaper } from "../../../../mod.ts";
import { startUnreaped } from "../../children.ts";
import { freshCapabilities } from "../../fresh_capabilities.ts";
import { without } from "../../shadow.ts";
import { type Keep, on, type Operation, type Operations, plain } from "../operation.ts";

const self = (keep: Keep) => keep(PidFd.fromSelf());

/** An operation on a handle of this program. */
function onSelf(run: (pidfd: PidFd, keep: Keep) => unknown): Operation {
  return on(self, run);
}

/** The same on a kernel that lacks something. */
function lacking(
  feature: { readonly available: boolean | undefined },
  run: (pidfd: PidFd, keep: Keep) => unknown,
): Operation {
  return on((keep) => {
    keep(without(feature));
    return self(keep);
  }, run);
}

/** Whether each capability is there, as nobody has asked before. */
function askAll({ Capability, ...others }: typeof import("../../../../ffi/capabilities.ts")) {
  return Object.values(others).map((value) => value instanceof Capability && value.available);
}

const PARENT = Deno.ppid;

const info = (pidfd: PidFd) => {
  const { pid, tgid, ppid, id, cgroupId, creds } = pidfd.getInfo();
  return {
    pids: [pid, tgid, ppid].map((pid) => pid === Deno.pid ? "self" : pid === PARENT && "parent"),
    ids: [typeof id, String(cgroupId)],
    creds,
  };
};
const net = (pidfd: PidFd, keep: Keep) => {
  const namespace = keep(pidfd.getNamespace("net"));
  return () => String(namespace.inode());
};

export const operations: Operations = {
  "Capability.available": on(
    // A module of its own, which remembers nothing yet; a second try needs another.
    async () => [await freshCapabilities()],
    async (tries) => askAll(tries.shift() ?? await freshCapabilities()),
  ),
  "PidFd.getInfo()": onSelf(info),
  "PidFd.getInfo() from /proc": lacking(infoIoctl, info),
  "PidFd.getPid()": onSelf((pidfd) => pidfd.getPid() === Deno.pid),
  "PidFd.getPid() from /proc": lacking(infoIoctl, (pidfd) => pidfd.getPid() === Deno.pid),
  "PidFd.getPids()": onSelf((pidfd) => pidfd.getPids()[0] === Deno.pid),
  "PidFd.getPpid()": onSelf((pidfd) => pidfd.getPpid() === PARENT),
  "PidFd.getCreds()": onSelf((pidfd) => pidfd.getCreds()),
  "PidFd.getCgroupId()": onSelf((pidfd) => String(pidfd.getCgroupId())),
  "PidFd.getId()": onSelf((pidfd) => pidfd.getId() > 0n),
  "PidFd.equals() by PIDs": on(
    (keep) => {
      keep(without(pidfsIds));
      return [self(keep), self(keep)];
    },
    ([one, other]) => one.equals(other),
  ),
  "PidFd.isAlive()": onSelf((pidfd) => pidfd.isAlive()),
  "PidFd.sendSignal()": onSelf((pidfd) => pidfd.sendSignal(0)),
  "PidFd.sendSignal() with a value": onSelf((pidfd) => pidfd.sendSignal("SIGURG", { value: 7 })),
  "PidFd.sendSignal() to a process": onSelf((pidfd) => pidfd.sendSignal(0, { target: "process" })),
  "PidFd.sendSignal() to a thread": onSelf((pidfd) => pidfd.sendSignal(0, { target: "thread" })),
  "PidFd.sendSignal() without scopes": lacking(
    signalScopes,
    (pidfd) => pidfd.sendSignal(0, { target: "process" }),
  ),
  "PidFd.kill()": on(
    (keep) => keep(startUnreaped("exec sleep 60")).pidfd,
    (pidfd) => pidfd.kill(),
  ),
  "PidFd.getNamespace()": onSelf(net),
  "PidFd.getNamespace() from /proc": lacking(namespaceIoctls, net),
  "PidFd.setNamespace()": onSelf((pidfd) => pidfd.setNamespace("uts", "pid_for_children")),
  "PidFd.setNamespace() of one kind after the other": lacking(
    setnsPidfd,
    (pidfd) => pidfd.setNamespace("uts", "ipc"),
  ),
  "PidFd.getRemoteFd()": onSelf((pidfd, keep) => {
    const fd = keep(pidfd.getRemoteFd(2));
    return () => fd.fd > 2;
  }),
  "PidFd.accessProc() to read": onSelf((pidfd) =>
    pidfd.accessProc((proc) => proc.readTextFile("comm"))
  ),
  "PidFd.accessProc() to read a link": onSelf((pidfd) =>
    pidfd.accessProc((proc) => proc.readLink("exe"))
  ),
  "PidFd.accessProc() to list": onSelf((pidfd) =>
    pidfd.accessProc((proc) => proc.list("attr").length > 0)
  ),
  "PidFd.accessProc() to wait": onSelf((pidfd) =>
    pidfd.accessProc((proc) => Promise.resolve(proc.readTextFile("comm")))
  ),
  "setSubreaper()": plain(() => setSubreaper(false)),
  "new OwnedFd()": on(
    // Refused or not, it is closed once.
    (keep) => keep(new OwnedFd(duplicate(self(keep).fd))),
    (given) => {
      const number = given.fd;
      const owned = new OwnedFd(number);
      return () => owned.intoFd() === number && isOpen(number);
    },
  ),
  "OwnedFd.open()": plain((keep) => {
    const fd = keep(OwnedFd.open("/dev/null"));
    return () => isOpen(fd.fd);
  }),
  "OwnedFd.pipe()": plain((keep) => {
    const [reader, writer] = Object.values(OwnedFd.pipe()).map(keep);
    return () => reader.inode() === writer.inode();
  }),
  "OwnedFd.clone()": on(
    (keep) => keep(new OwnedFd(duplicate(self(keep).fd))),
    (fd, keep) => {
      const clone = keep(fd.clone());
      return () => clone.inode() === fd.inode();
    },
  ),
  "OwnedFd.inode()": on(
    (keep) => keep(new OwnedFd(duplicate(self(keep).fd))),
    (fd) => fd.inode() > 0n,
  ),
};

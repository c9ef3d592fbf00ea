/**
 * What a program does in a sandbox: nearly everything. It has what it needs from before.
 *
 * @module
 */

import { duplicate } from "../../../ffi/files.ts";
import {
  FdSocket,
  features,
  killTree,
  PidFd,
  setSubreaper,
  spawn,
  UnsupportedError,
} from "../../../mod.ts";
import { OWN_CGROUP } from "../cgroups.ts";
import { isZombie, startShell } from "../children.ts";
import { startPlanned } from "../plans.ts";
import { eventually, startStranger } from "../processes.ts";
import { childrenOf } from "../trees.ts";
import { type Outcome, outcomeOf } from "./protocol.ts";

/** Operations by their names. */
type Acts = Readonly<Record<string, () => unknown>>;

/**
 * Makes what the operations need, without trying what the kernel can do. The result does them,
 * one after the other.
 */
export async function prepare(): Promise<() => Promise<Record<string, Outcome>>> {
  const self = PidFd.fromSelf();
  const id = idOf(self);
  const other = PidFd.fromFd(duplicate(self.fd));
  const child = startShell("exec sleep 60");
  const ofChild = PidFd.fromPid(child.pid);
  const zombie = start("exit 7");
  const [one, another] = [start("exec sleep 60"), start("exec sleep 60")];
  const stranger = await startStranger("exit 7");
  const gone = PidFd.fromPid(stranger.pid);
  await eventually("the stranger has ended", () => isZombie(stranger.pid));
  await stranger.reap();
  const [near, far] = FdSocket.pair();

  const acts: Acts = {
    features: () => features(),
    fromSelf: () => closed(PidFd.fromSelf()),
    fromPid: () => closed(PidFd.fromPid(Deno.pid)),
    "fromPid with an id": () => closed(PidFd.fromPid(Deno.pid, { id })),
    "fromPid for a thread": () => closed(PidFd.fromPid(Deno.pid, { thread: true })),
    fromChild: () => closed(PidFd.fromChild(child)),
    fromId: () => closed(PidFd.fromId(id)),
    fromFd: () => closed(PidFd.fromFd(duplicate(self.fd))),
    clone: () => closed(self.clone()),
    equals: () => self.equals(other),
    getPid: () => self.getPid() === Deno.pid,
    getInfo: () => self.getInfo().ppid === Deno.ppid,
    getCgroupId: () => typeof self.getCgroupId(),
    getId: () => self.getId() === id,
    toRef: () => self.toRef().id === id,
    isAlive: () => self.isAlive(),
    sendSignal: () => self.sendSignal(0),
    "sendSignal to a process": () => self.sendSignal(0, { target: "process" }),
    "sendSignal to a thread": () => self.sendSignal(0, { target: "thread" }),
    "tryWait on a child": () => ofChild.tryWait(),
    "wait for a zombie": () => zombie.wait(),
    "exited of a zombie": () => zombie.exited(),
    "wait for a stranger": () => gone.wait(),
    terminate: () => one.terminate(),
    killTree: async () => (await killTree(another)).ended.length,
    getNamespace: () => closed(self.getNamespace("net")),
    setNamespace: () => self.setNamespace("uts"),
    getRemoteFd: () => closed(self.getRemoteFd(0)),
    accessProc: () => self.accessProc((proc) => proc.readTextFile("comm")),
    setSubreaper: () => setSubreaper(false),
    spawn: () => spawn("/bin/sh", { args: ["-c", "exit 7"] }).status,
    "spawn by name": () => spawn("true").status,
    "spawn with a descriptor": () =>
      spawn("/bin/sh", { args: ["-c", "[ -e /proc/self/fd/7 ]"], fds: { 7: self } }).status,
    "spawn with killOnClose": () => spawn("/bin/true", { killOnClose: true }).status,
    "spawn with a terminal": async () => {
      const { terminal, status } = spawn("/bin/sh", { args: ["-c", "tty -s"], terminal: true });
      return [await terminal!.readable.text(), (await status).code];
    },
    "spawn into a cgroup": () => spawn("/bin/true", { cgroup: OWN_CGROUP ?? "/none" }).status,
    peer: () => closed(near.peer()),
    "send and receive": async () => {
      await near.send("text", [self]);
      const message = await far.receive();
      message?.fds.forEach((fd) => fd.close());
      return message?.fds.length;
    },
    "receive with the sender": async () => {
      const received = far.receive({ sender: true });
      received.catch(() => {});
      await near.send("text");
      return (await received)?.sender?.getPid() === Deno.pid;
    },
  };
  return async () => {
    const outcomes: Record<string, Outcome> = {};
    for (const [name, act] of Object.entries(acts)) outcomes[name] = await outcomeOf(act);
    // Not by the library: that may not be able to any more.
    for (const pid of childrenOf(Deno.pid)) Deno.kill(pid, "SIGKILL");
    return outcomes;
  };
}

/** A handle on a child that nothing reaps. */
function start(command: string): PidFd {
  return PidFd.fromFd(startPlanned(command));
}

/** A process's id, or one that nobody has where there are none. */
function idOf(pidfd: PidFd): bigint {
  try {
    return pidfd.getId();
  } catch (error) {
    if (error instanceof UnsupportedError) return 1n;
    throw error;
  }
}

function closed(resource: Disposable): string {
  resource[Symbol.dispose]();
  return "closed";
}

/**
 * The obvious way in Deno without a library: libc's calls by FFI, and for each process one
 * nonblocking waitid(2), which occupies a thread of Deno's blocking pool until the process ends.
 *
 * Its single calls are close to what a call through FFI costs at least.
 *
 * @module
 */

import {
  answer,
  type Herd,
  parseHerd,
  pause,
  timeCalls,
  timeKills,
  timeWaits,
} from "../support.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  pidfd_open: { name: "syscall", parameters: ["i32", "i32", "u32"], result: "i32" },
  pidfd_send_signal: {
    name: "syscall",
    parameters: ["i32", "i32", "i32", "pointer", "u32"],
    result: "i32",
  },
  waitid: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
  waitid_nonblocking: {
    name: "waitid",
    parameters: ["i32", "i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  prctl: { parameters: ["i32", "u64"], result: "i32" },
});

const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const P_PIDFD = 3;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const SIGKILL = 9;
const PIDFD_GET_INFO = 0xc048ff0b;
const PIDFD_INFO_CGROUPID = 4n;
const POLLIN = 1;
const PR_SET_CHILD_SUBREAPER = 36;

function succeed(result: number): number {
  if (result < 0) throw new Error("a call failed");
  return result;
}

function open(pid: number): number {
  return succeed(libc.pidfd_open(PIDFD_OPEN, pid, 0));
}

function send(pidfd: number, signal: number): void {
  succeed(libc.pidfd_send_signal(PIDFD_SEND_SIGNAL, pidfd, signal, null, 0));
}

async function wait(pidfd: number): Promise<number> {
  const siginfo = new Uint8Array(128);
  succeed(await libc.waitid_nonblocking(P_PIDFD, pidfd, siginfo, WEXITED));
  return new DataView(siginfo.buffer).getInt32(24, true);
}

function tryWait(pidfd: number): number | null {
  const siginfo = new Uint8Array(128);
  succeed(libc.waitid(P_PIDFD, pidfd, siginfo, WEXITED | WNOHANG | WNOWAIT));
  const view = new DataView(siginfo.buffer);
  return view.getInt32(12, true) === 0 ? null : view.getInt32(24, true);
}

function getInfo(pidfd: number) {
  const info = new Uint8Array(72);
  const view = new DataView(info.buffer);
  view.setBigUint64(0, PIDFD_INFO_CGROUPID, true);
  succeed(libc.ioctl(pidfd, PIDFD_GET_INFO, info));
  const field = (index: number) => view.getUint32(16 + 4 * index, true);
  return {
    cgroupId: view.getBigUint64(8, true),
    pid: field(0),
    tgid: field(1),
    ppid: field(2),
    creds: {
      ruid: field(3),
      rgid: field(4),
      euid: field(5),
      egid: field(6),
      suid: field(7),
      sgid: field(8),
      fsuid: field(9),
      fsgid: field(10),
    },
  };
}

function isAlive(pidfd: number): boolean {
  const look = new Uint8Array(8);
  const view = new DataView(look.buffer);
  view.setInt32(0, pidfd, true);
  view.setInt16(4, POLLIN, true);
  return succeed(libc.poll(look, 1n, 0)) === 0;
}

async function startHerd(helpers: string, count: number): Promise<Herd> {
  libc.prctl(PR_SET_CHILD_SUBREAPER, 1n);
  const args = [String(count), `${helpers}/hold`];
  const { success, stdout } = await new Deno.Command(`${helpers}/herd`, { args }).output();
  if (!success) throw new Error("no herd");
  return parseHerd(stdout);
}

/** How long it waits until it says that it waits in vain, in ms. */
const PATIENCE = 3000;

await answer({
  async call(helpers, calls, batches) {
    const { pids: [pid] } = await startHerd(helpers, 1);
    const target = open(pid);
    const all = {
      signal0: () => send(target, 0),
      getInfo: () => getInfo(target),
      tryWait: () => tryWait(target),
      openClose: () => libc.close(open(pid)),
      isAlive: () => isAlive(target),
    };
    const samples = timeCalls(all, calls, batches);
    send(target, SIGKILL);
    await wait(target);
    return samples;
  },

  async latency(helpers, pending, kills) {
    const { group, pids } = await startHerd(helpers, pending - 1 + kills);
    const herd = pids.map(open);
    const background = herd.splice(kills).map(wait);
    const stuck = pause(PATIENCE + 5 * kills).then(() => {
      libc.kill(-group, SIGKILL);
      throw new Error("a wait never began: the others occupy all threads");
    });
    const samples = await Promise.race([
      timeKills(herd, wait, (pidfd) => send(pidfd, SIGKILL)),
      stuck,
    ]);
    libc.kill(-group, SIGKILL);
    await Promise.all(background);
    return samples;
  },

  scale(helpers, waits) {
    let group: number;
    return timeWaits({
      async open(count) {
        const herd = await startHerd(helpers, count);
        group = herd.group;
        return herd.pids.map(open);
      },
      expect: wait,
      killAll: () => libc.kill(-group, SIGKILL),
    }, waits);
  },
});

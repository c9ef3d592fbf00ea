/**
 * This library, used as its README shows it.
 *
 * @module
 */

import { FdSocket, PidFd, setSubreaper, spawn } from "../../../mod.ts";
import { timeMessages } from "../messages.mjs";
import {
  answer,
  type Herd,
  parseHerd,
  pause,
  timeCalls,
  timeKills,
  timeRuns,
  timeStream,
  timeWaits,
} from "../support.ts";

async function startHerd(helpers: string, count: number): Promise<Herd> {
  setSubreaper(true);
  const args = [String(count), `${helpers}/hold`];
  const { success, stdout } = await spawn(`${helpers}/herd`, { args, stdout: "piped" }).output();
  if (!success) throw new Error("no herd");
  return parseHerd(stdout);
}

async function openHerd(helpers: string, count: number): Promise<PidFd[]> {
  return (await startHerd(helpers, count)).pids.map((pid) => PidFd.fromPid(pid));
}

/** A connection as messages.mjs takes it. */
async function connect(path: string) {
  const socket = await FdSocket.connect(path);
  return {
    send: (bytes: Uint8Array<ArrayBuffer>) => socket.send(bytes),
    async receive(count: number) {
      for (let missing = count; missing > 0;) {
        const message = await socket.receive();
        if (message === null) throw new Error("bytes are missing");
        missing -= message.data.length;
      }
    },
    close: () => socket.close(),
  };
}

function end(herd: PidFd[]): void {
  for (const pidfd of herd) {
    pidfd.kill();
    pidfd.waitSync({ reap: true });
  }
}

/** Has a function called when a parked call returns, before the library learns of it. */
function watchParkedCall(react: () => void): void {
  const open = Deno.dlopen;
  // deno-lint-ignore no-explicit-any
  const watched = (...args: Parameters<typeof open>): any => {
    const library = open(...args);
    const symbols: Record<string, unknown> = { ...library.symbols };
    const park = symbols.epoll_wait_parked as ((...args: unknown[]) => Promise<number>) | undefined;
    if (park === undefined) return library;
    symbols.epoll_wait_parked = (...args: unknown[]) => {
      const call = park(...args);
      call.then(react);
      return call;
    };
    return { symbols, close() {} };
  };
  Deno.dlopen = watched;
}

await answer({
  async call(helpers, calls, batches) {
    const herd = await openHerd(helpers, 1);
    const [target] = herd;
    const pid = target.getPid();
    const all = {
      signal0: () => target.sendSignal(0),
      getInfo: () => target.getInfo(),
      tryWait: () => target.tryWait(),
      openClose: () => PidFd.fromPid(pid).close(),
      isAlive: () => target.isAlive(),
    };
    const samples = timeCalls(all, calls, batches);
    end(herd);
    return samples;
  },

  async latency(helpers, pending, kills) {
    const herd = await openHerd(helpers, pending - 1 + kills);
    const others = herd.splice(kills);
    const background = others.map((pidfd) => pidfd.wait({ reap: true }));
    const samples = await timeKills(
      herd,
      (pidfd) => pidfd.wait({ reap: true }),
      (pidfd) => pidfd.kill(),
    );
    others.forEach((pidfd) => pidfd.kill());
    await Promise.all(background);
    return samples;
  },

  async latencyStatus(helpers, pending, kills) {
    const start = () => spawn(`${helpers}/hold`, { stdin: "null", stdout: "null", stderr: "null" });
    const others = Array.from({ length: pending - 1 }, start);
    const killed = Array.from({ length: kills }, start);
    const samples = await timeKills(
      killed,
      (child) => child.status,
      (child) => child.kill("SIGKILL"),
    );
    others.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(others.map((child) => child.status));
    return samples;
  },

  async latencyExited(helpers, pending, kills) {
    const herd = await openHerd(helpers, pending - 1 + kills);
    const others = herd.slice(kills).map((pidfd) => pidfd.exited());
    const samples = await timeKills(
      herd.slice(0, kills),
      (pidfd) => pidfd.exited(),
      (pidfd) => pidfd.kill(),
    );
    end(herd);
    await Promise.all(others);
    return samples;
  },

  async looks(helpers, kills) {
    let returned = 0;
    watchParkedCall(() => returned = performance.now());
    const looks: number[] = [];
    for (let i = 0; i < kills; i++) {
      const child = spawn(`${helpers}/hold`);
      await pause(2);
      child.kill("SIGKILL");
      await child.status;
      looks.push((performance.now() - returned) * 1e3);
    }
    return { looks };
  },

  spawn: (_, atATime, count) => timeRuns(() => spawn("/bin/true").status, atATime, count),

  throughput(helpers, size, total) {
    return timeStream((total) => {
      const args = [String(size), String(total)];
      return spawn(`${helpers}/writer`, { args, stdout: "piped" });
    }, total);
  },

  scale(helpers, waits) {
    let herd: PidFd[];
    return timeWaits({
      open: async (count) => herd = await openHerd(helpers, count),
      expect: (pidfd) => pidfd.wait({ reap: true }),
      // The first leads the process group of them all.
      killAll: () => herd[0].sendSignal("SIGKILL", { target: "group" }),
    }, waits);
  },

  async messages(helpers, trips, count) {
    const path = `${helpers}/socket-${Deno.pid}`;
    const { success } = await spawn(`${helpers}/partner`, { args: [path] }).status;
    if (!success) throw new Error("no partner");
    return timeMessages(() => connect(path), trips, count);
  },
});

/**
 * What Deno itself offers: Deno.Command and Deno.kill.
 *
 * It waits for nothing but what it has started itself, and knows nothing of pidfds.
 *
 * @module
 */

import {
  answer,
  pause,
  type Samples,
  timeCalls,
  timeKills,
  timeRuns,
  timeStream,
  timeWaits,
} from "../support.ts";

const SILENT = { stdin: "null", stdout: "null", stderr: "null" } as const;

function hold(helpers: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(`${helpers}/hold`, { args, ...SILENT }).spawn();
}

async function latency(helpers: string, pending: number, kills: number): Promise<Samples> {
  const others = Array.from({ length: pending - 1 }, () => hold(helpers));
  const killed = Array.from({ length: kills }, () => hold(helpers));
  const samples = await timeKills(
    killed,
    (child) => child.status,
    (child) => child.kill("SIGKILL"),
  );
  others.forEach((child) => child.kill("SIGKILL"));
  await Promise.all(others.map((child) => child.status));
  return samples;
}

await answer({
  async call(helpers, calls, batches) {
    const child = hold(helpers);
    const { pid } = child;
    // 0 is not in the type, and works.
    const none = 0 as unknown as Deno.Signal;
    const samples = timeCalls({ signal0: () => Deno.kill(pid, none) }, calls, batches);
    child.kill("SIGKILL");
    await child.status;
    return samples;
  },

  // A child's status is all that can be waited for.
  latency,
  latencyStatus: latency,
  latencyExited: latency,

  spawn(_, atATime, count) {
    const command = new Deno.Command("/bin/true", {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    });
    return timeRuns(() => command.spawn().status, atATime, count);
  },

  throughput(helpers, size, total) {
    return timeStream((total) => {
      const args = [String(size), String(total)];
      return new Deno.Command(`${helpers}/writer`, { args, stdout: "piped" }).spawn();
    }, total);
  },

  async scale(helpers, waits) {
    let leader: Deno.ChildProcess;
    const { register: _, heap: __, ...samples } = await timeWaits({
      async open(count) {
        leader = hold(helpers, "0");
        await pause(100);
        const group = String(leader.pid);
        const others = Array.from({ length: count - 1 }, () => hold(helpers, group));
        await pause(100);
        return [leader, ...others];
      },
      // Deno has been waiting for them from the beginning.
      expect: (child) => child.status,
      killAll: () => Deno.kill(-leader.pid, "SIGKILL"),
    }, waits);
    return samples;
  },
});

/**
 * Node.js: child_process, and process.kill.
 *
 * As peers/support.ts has it: a program `MEASURE HELPERS NUMBER…` that prints a line of JSON.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

function hold(helpers, ...args) {
  return spawn(`${helpers}/hold`, args, { stdio: "ignore" });
}

const PEER = {
  async call(helpers, calls, batches) {
    const child = hold(helpers);
    const { pid } = child;
    const signal0 = [];
    for (let batch = -1; batch < batches; batch++) {
      const begin = performance.now();
      for (let i = 0; i < calls; i++) process.kill(pid, 0);
      if (batch >= 0) signal0.push((performance.now() - begin) * 1e6 / calls);
    }
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    return { signal0 };
  },

  async latency(helpers, pending, kills) {
    const others = Array.from({ length: pending - 1 }, () => hold(helpers));
    const othersEnded = others.map((child) => once(child, "exit"));
    const killed = Array.from({ length: kills }, () => hold(helpers));
    const latency = [];
    for (const child of killed) {
      const ended = once(child, "exit");
      await pause(2);
      const begin = performance.now();
      child.kill("SIGKILL");
      await ended;
      latency.push((performance.now() - begin) * 1e3);
    }
    others.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(othersEnded);
    return { latency };
  },

  async spawn(_, atATime, count) {
    const runAll = async (count) => {
      let left = count;
      const lane = async () => {
        while (left-- > 0) await once(spawn("/bin/true", { stdio: "inherit" }), "exit");
      };
      await Promise.all(Array.from({ length: atATime }, lane));
    };
    await runAll(count / 10);
    const begin = performance.now();
    await runAll(count);
    return { perSecond: [count / (performance.now() - begin) * 1e3] };
  },

  async throughput(helpers, size, total) {
    const receive = async (total) => {
      const stdio = ["inherit", "pipe", "inherit"];
      const child = spawn(`${helpers}/writer`, [String(size), String(total)], { stdio });
      let received = 0;
      child.stdout.on("data", (chunk) => received += chunk.length);
      await once(child, "close");
      if (received !== total) throw new Error(`${received} bytes came, of ${total}`);
    };
    await receive(total / 8);
    const begin = performance.now();
    await receive(total);
    return { MiBps: [total / 2 ** 20 / (performance.now() - begin) * 1e3] };
  },

  async scale(helpers, waits) {
    const threadsBefore = threads();
    const open = async (count) => {
      const leader = hold(helpers, "0");
      await pause(100);
      const group = String(leader.pid);
      const others = Array.from({ length: count - 1 }, () => hold(helpers, group));
      await pause(100);
      return [leader, ...others];
    };
    const expect = (child) => once(child, "exit");
    const killAll = ([leader]) => process.kill(-leader.pid, "SIGKILL");
    // What only the first of all costs is not counted on the others.
    const first = await open(1);
    const firstEnded = expect(first[0]);
    killAll(first);
    await firstEnded;

    const heapEmpty = heap();
    const handles = await open(waits);
    const heapOpen = heap();
    const ended = handles.map(expect);
    await pause(300);
    const heapPending = heap();
    const threadsPending = threads();
    const stat = await timeStats();

    const completing = performance.now();
    killAll(handles);
    await Promise.all(ended);
    const complete = (performance.now() - completing) * 1e3;

    await pause(300);
    const statIdle = await timeStats();
    return {
      complete: [complete],
      threads: [threadsPending - threadsBefore],
      heapHandle: [(heapOpen - heapEmpty) / waits],
      heap: [(heapPending - heapOpen) / waits],
      stat,
      statIdle,
    };
  },
};

async function timeStats() {
  const samples = [];
  for (let i = 0; i < 200; i++) {
    const begin = performance.now();
    await stat("/");
    samples.push((performance.now() - begin) * 1e3);
  }
  return samples;
}

function heap() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function threads() {
  return Number(/^Threads:\s*(\d+)$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
}

const [measure, helpers, ...numbers] = process.argv.slice(2);
if (!Object.hasOwn(PEER, measure)) process.exit(64);
console.log(JSON.stringify(await PEER[measure](helpers, ...numbers.map(Number))));
process.exit();

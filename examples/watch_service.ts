/**
 * Watches a service that another program has started, and restarts it when it ends: at once the
 * first time, and after longer and longer pauses while it keeps ending soon.
 *
 *     deno run --allow-ffi examples/watch_service.ts PID[:ID] COMMAND [ARG…]
 *
 * @module
 */

import { PidFd, spawn, SyscallError } from "@pidfd/util";

/** The first pause between two starts, and the longest, in milliseconds. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The first pause is short again after a service has run this long, in milliseconds. */
const WELL = 10_000;

const [ref, command, ...args] = Deno.args;
if (command === undefined) {
  console.error("usage: watch_service.ts PID[:ID] COMMAND [ARG…]");
  Deno.exit(2);
}

// Ctrl-C ends this program, and not the service.
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
Deno.addSignalListener("SIGTERM", () => stop.abort());
const { signal } = stop;

let service = ref.includes(":") ? PidFd.fromRef(ref) : PidFd.fromPid(Number(ref));
let pause = 0;
console.log(`watching ${service.getPid()}`);
try {
  for (;;) {
    const started = performance.now();
    await service.exited({ signal });
    const howItEnded = await describeEnd(service);
    service.close();
    if (performance.now() - started > WELL) pause = 0;
    console.log(`it ${howItEnded}; starting it again in ${pause} ms`);
    await sleep(pause);
    pause = Math.min(2 * pause || FIRST_PAUSE, LONGEST_PAUSE);
    // In a session of its own, Ctrl-C at this program's terminal doesn't reach it.
    const child = spawn(command, { args, detached: true, stdin: "null" });
    service = child.pidfd;
    console.log(`watching ${child.pid}`);
  }
} catch (error) {
  if (!signal.aborted) throw error;
  console.log("not watching any more");
} finally {
  service.close();
}
// The service is a child of this program by now, and a running child keeps its parent running.
Deno.exit();

/** Tells how it ended, as far as that is known: its parent may not have reaped it yet. */
async function describeEnd(pidfd: PidFd): Promise<string> {
  try {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(1000)]);
    const status = await pidfd.wait({ signal: soon });
    return status.signal ? `was ended by ${status.signal}` : `exited with code ${status.code}`;
  } catch (error) {
    const isUntold = error instanceof SyscallError && error.code === "ECHILD";
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    if (isUntold || isLate) return "ended, nobody tells how";
    throw error;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

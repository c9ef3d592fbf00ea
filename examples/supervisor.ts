/**
 * Keeps a service running: starts it again whenever it has ended, at once the first time, and later and
 * later while it keeps ending soon. Ctrl-C or SIGTERM ends the service, and then the supervisor.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/supervisor.ts [--together] FILE COMMAND [ARG…]
 *
 * FILE keeps a reference to the service. A supervisor that comes back after a crash finds the service by
 * it and adopts it, and never another process that has got its PID. With `--together` the service
 * doesn't outlive the supervisor, not even one that is killed by SIGKILL: the kernel ends it.
 *
 * @module
 */

import { PidFd, spawn, SyscallError } from "@pidfd/util";

/** The first pause between two starts, and the longest, in milliseconds. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** A service that has run this long, in milliseconds, is well. */
const WELL = 10_000;

const together = Deno.args[0] === "--together";
const [file, command, ...args] = together ? Deno.args.slice(1) : Deno.args;
if (command === undefined) {
  console.error("usage: supervisor.ts [--together] FILE COMMAND [ARG…]");
  Deno.exit(2);
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(name, () => stop.abort());
}
const { signal } = stop;

let service = await adopt() ?? await start();
let pause = 0;
while (!signal.aborted) {
  const begun = performance.now();
  console.log(`it ${await endOf(service)}`);
  service.close();
  if (signal.aborted) break;
  if (performance.now() - begun > WELL) pause = 0;
  await sleep(pause);
  pause = Math.min(2 * pause || FIRST_PAUSE, LONGEST_PAUSE);
  if (!signal.aborted) service = await start();
}
await Deno.remove(file);

/** The service of an earlier supervisor, if it still runs. */
async function adopt(): Promise<PidFd | undefined> {
  try {
    const service = PidFd.fromRef(await Deno.readTextFile(file));
    console.log(`adopted ${service.getPid()}`);
    return service;
  } catch (error) {
    // There is no file, or the process that it names is gone.
    if (error instanceof Deno.errors.NotFound || error instanceof SyscallError) return undefined;
    throw error;
  }
}

async function start(): Promise<PidFd> {
  const { pidfd, pid } = spawn(command, args, {
    // In a session of its own, a Ctrl-C at this program's terminal doesn't reach it.
    detached: true,
    stdin: "null",
    parentDeathSignal: together ? "SIGTERM" : undefined,
  });
  await Deno.writeTextFile(file, String(pidfd.toRef()));
  console.log(`started ${pid}`);
  return pidfd;
}

/** Waits for the service's end, or ends it when this program is to stop; says how it ended. */
async function endOf(service: PidFd): Promise<string> {
  try {
    await service.exited({ signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  try {
    const { signal: by, code } = await (signal.aborted ? service.terminate() : service.wait());
    return by ? `was ended by ${by}` : `exited with code ${code}`;
  } catch (error) {
    // Before Linux 6.15 nobody but its parent learns how an adopted one ended.
    if (!(error instanceof SyscallError) || error.code !== "ECHILD") throw error;
    return "ended";
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

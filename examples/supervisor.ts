/**
 * Keeps a service running. It restarts the service at once the first time, and after longer and longer
 * pauses while the service keeps ending soon. Ctrl-C or SIGTERM ends the service, then the supervisor.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/supervisor.ts [--together] FILE COMMAND [ARG…]
 *
 * FILE keeps a reference to the service. After a crash, the next supervisor finds the service by that
 * reference and adopts it. Another process with the same PID is never adopted. With `--together` the kernel
 * ends the service if the supervisor is killed, even by SIGKILL.
 *
 * @module
 */

import { PidFd, ProcessRef, spawn, SyscallError } from "@pidfd/util";

/** The first pause between two starts, and the longest, in milliseconds. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The first pause is short again after a service has run this long, in milliseconds. */
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
    const service = PidFd.fromRef(ProcessRef.fromJSON(JSON.parse(await Deno.readTextFile(file))));
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
    // In a session of its own, Ctrl-C at this program's terminal doesn't reach it.
    detached: true,
    stdin: "null",
    parentDeathSignal: together ? "SIGTERM" : undefined,
  });
  // The JSON form names the boot, too: after a restart of the machine it finds no other process.
  await Deno.writeTextFile(file, JSON.stringify(pidfd.toRef()));
  console.log(`started ${pid}`);
  return pidfd;
}

/** Waits for the service's end, or ends it on Ctrl-C. Tells how it ended. */
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
    // Before Linux 6.15 only the parent of a process learns how it ended.
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

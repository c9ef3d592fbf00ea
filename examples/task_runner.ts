/**
 * Runs the jobs of a file, so many at a time, with their output behind their names. The first that
 * fails or takes too long ends all others, and so does Ctrl-C: with all that they have started, and
 * what a job leaves running ends with it. Jobs that outlived a crash of this program are adopted by
 * its next run, which knows of their descendants only.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/task_runner.ts jobs.json
 *
 * where jobs.json is like:
 *
 *     {
 *       "parallel": 2,
 *       "jobs": [
 *         { "name": "build", "command": ["make", "all"], "timeout": 60000 },
 *         { "name": "docs", "command": ["make", "docs"] }
 *       ]
 *     }
 *
 * @module
 */

import {
  features,
  killTree,
  PidFd,
  ProcessRef,
  type ProcessRefJson,
  spawn,
  SyscallError,
} from "@pidfd/util";

interface Job {
  name: string;
  command: [string, ...string[]];
  /** In milliseconds. */
  timeout?: number;
}

type Outcome = "succeeded" | "failed" | "timed out" | "was stopped" | "ended, nobody knows how";

const [file = "jobs.json"] = Deno.args;
const { parallel = 2, jobs }: { parallel?: number; jobs: Job[] } = JSON.parse(
  Deno.readTextFileSync(file),
);
const width = Math.max(...jobs.map(({ name }) => name.length));
const say = (name: string, text: string) => console.log(`${name.padEnd(width)} │ ${text}`);

/** What runs now, in a file: the next run reads it if this one gets no chance to clean up. */
const stateFile = `${file}.running`;
const running = new Map(readState());
function save(): void {
  // Under another name first: a reader sees the old state or the new one, and no half of it.
  Deno.writeTextFileSync(`${stateFile}.new`, JSON.stringify([...running]));
  Deno.renameSync(`${stateFile}.new`, stateFile);
}

const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
Deno.addSignalListener("SIGTERM", () => stop.abort());

save();
const waiting = [...jobs];
const outcomes = new Map<string, Outcome>();
await Promise.all(Array.from({ length: parallel }, work));
Deno.removeSync(stateFile);

console.log();
for (const { name } of jobs) say(name, outcomes.get(name) ?? "not started");
Deno.exit(jobs.every(({ name }) => outcomes.get(name) === "succeeded") ? 0 : 1);

/** Does one job after another, until there is none or one failed. */
async function work(): Promise<void> {
  for (let job = waiting.shift(); job && !stop.signal.aborted; job = waiting.shift()) {
    const outcome = await run(job).catch((error): Outcome => {
      say(job.name, error.message);
      return "failed";
    });
    outcomes.set(job.name, outcome);
    say(job.name, outcome);
    if (outcome !== "succeeded") stop.abort();
  }
}

async function run(job: Job): Promise<Outcome> {
  const [command, ...args] = job.command;
  let pidfd = adopt(job.name);
  let output: Promise<unknown> | undefined;
  if (pidfd) {
    say(job.name, `still runs as ${pidfd.getPid()}`);
  } else {
    // A process group of its own, so that Ctrl-C reaches it by way of this program alone.
    const piped = { stdout: "piped", stderr: "piped", processGroup: 0 } as const;
    const child = spawn(command, args, { ...piped, contain: true });
    output = Promise.all([child.stdout, child.stderr].map((stream) => show(job.name, stream)));
    pidfd = child.pidfd;
  }
  using held = pidfd;
  // Before Linux 6.9 nothing but a PID could be stored, which is not enough to find it again.
  if (features().ids) running.set(job.name, held.toRef().toJSON());
  save();
  const timeout = AbortSignal.timeout(job.timeout ?? 2 ** 31 - 1);
  try {
    const { success } = await held.wait({ signal: AbortSignal.any([stop.signal, timeout]) });
    return success ? "succeeded" : "failed";
  } catch (error) {
    if (stop.signal.aborted) return "was stopped";
    if (timeout.aborted) return "timed out";
    // Before Linux 6.15 only its parent learns how a process ended, and that one crashed.
    if (!held.isAlive()) return "ended, nobody knows how";
    throw error;
  } finally {
    await killTree(held, { grace: 2000 });
    await output;
    running.delete(job.name);
    save();
  }
}

/** The process of a job that an earlier run left behind, if it is still there. */
function adopt(name: string): PidFd | undefined {
  const ref = running.get(name);
  if (!ref) return undefined;
  try {
    return PidFd.fromRef(ProcessRef.fromJSON(ref));
  } catch (error) {
    // It ended, or the machine was started anew: either way the job is to be done.
    const isGone = error instanceof SyscallError &&
      ["ESRCH", "EREMCHG", "ESTALE"].includes(error.code);
    if (isGone) return undefined;
    throw error;
  }
}

async function show(name: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  let line = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (line + text).split("\n");
    line = lines.pop()!;
    for (const line of lines) say(name, line);
  }
  if (line) say(name, line);
}

function readState(): [string, ProcessRefJson][] {
  try {
    return JSON.parse(Deno.readTextFileSync(stateFile));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Runs the jobs of a file, several at a time, and shows each line of output behind its job's name.
 * The first job that fails or takes too long ends all others; so does Ctrl-C. Each job ends with all
 * that it has started. The next run adopts jobs that outlived a crash of this program. An adopted
 * job ends with its descendants only.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/task_runner.ts jobs.json
 *
 * A jobs.json, with `timeout` in milliseconds:
 *
 *     { "parallel": 2, "jobs": [
 *       { "name": "build", "command": ["make", "all"], "timeout": 60000 },
 *       { "name": "docs", "command": ["make", "docs"] }
 *     ] }
 *
 * @module
 */

import { features, killTree, PidFd, ProcessRef, spawn, SyscallError } from "@pidfd/util";
import type { ProcessRefJson } from "@pidfd/util";

interface Job {
  name: string;
  command: [string, ...string[]];
  timeout?: number;
}

type Outcome = "succeeded" | "failed" | "timed out" | "was stopped" | "ended, nobody knows how";

const [file = "jobs.json"] = Deno.args;
const plan: { parallel?: number; jobs: Job[] } = JSON.parse(Deno.readTextFileSync(file));
const { parallel = 2, jobs } = plan;
const width = Math.max(...jobs.map(({ name }) => name.length));
const say = (name: string, text: string) => console.log(`${name.padEnd(width)} │ ${text}`);

/** The jobs that run, in a file: the next run reads it if this one is killed. */
const stateFile = `${file}.running`;
Deno.writeTextFileSync(stateFile, "", { append: true }); // makes it, if there is none
const state: [string, ProcessRefJson][] = JSON.parse(Deno.readTextFileSync(stateFile) || "[]");
const running = new Map(state);
function save(): void {
  // The new file takes the old one's place at once: a reader never sees half of it.
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

/** Runs one job after another, until none is left or one failed. */
async function work(): Promise<void> {
  for (let job = waiting.shift(); job && !stop.signal.aborted; job = waiting.shift()) {
    const { name } = job;
    const outcome = await run(job).catch((error): Outcome => (say(name, error.message), "failed"));
    outcomes.set(name, outcome);
    say(name, outcome);
    if (outcome !== "succeeded") stop.abort();
  }
}

async function run({ name, command: [command, ...args], timeout }: Job): Promise<Outcome> {
  const adopted = adopt(name);
  if (adopted) say(name, `still runs as ${adopted.getPid()}`);
  // In a process group of its own, Ctrl-C doesn't reach the job: this program ends it.
  const options = { contain: true, processGroup: 0, stdout: "piped", stderr: "piped" } as const;
  const child = adopted ? undefined : spawn(command, args, options);
  const output = child && Promise.all([show(name, child.stdout), show(name, child.stderr)]);
  using pidfd = adopted ?? child!.pidfd;
  // Before Linux 6.9 a process has no id, and its PID is not enough to find it again.
  if (features().ids) running.set(name, pidfd.toRef().toJSON());
  save();
  const late = AbortSignal.timeout(timeout ?? 2 ** 31 - 1);
  try {
    const { success } = await pidfd.wait({ signal: AbortSignal.any([stop.signal, late]) });
    return success ? "succeeded" : "failed";
  } catch (error) {
    if (stop.signal.aborted) return "was stopped";
    if (late.aborted) return "timed out";
    // Before Linux 6.15 only the parent of a process learns how it ended, and the parent crashed.
    if (!pidfd.isAlive()) return "ended, nobody knows how";
    throw error;
  } finally {
    await killTree(pidfd, { grace: 2000 });
    await output;
    running.delete(name);
    save();
  }
}

/** The process of a job that an earlier run left behind, if it still runs. */
function adopt(name: string): PidFd | undefined {
  const ref = running.get(name);
  try {
    return ref && PidFd.fromRef(ProcessRef.fromJSON(ref));
  } catch (error) {
    // It has ended, or the machine was restarted: the job runs again.
    if (!(error instanceof SyscallError) || !/ESRCH|EREMCHG|ESTALE/.test(error.code)) throw error;
  }
}

async function show(name: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) say(name, line);
  }
  if (rest) say(name, rest);
}

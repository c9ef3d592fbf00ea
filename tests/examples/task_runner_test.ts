/**
 * The task runner: that it runs what it is told to, and leaves nothing running.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async";
import { join } from "@std/path";
import { pidfsIds } from "../../ffi/capabilities.ts";
import { PidFd } from "../../mod.ts";
import { folders, removeFolder } from "../support/containment.ts";
import { type RunningExample, startExample } from "../support/examples.ts";
import { eventually, PATIENCE, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

interface Plan {
  parallel?: number;
  jobs: { name: string; command: string[]; timeout?: number }[];
}

/** A file of jobs, in a folder that is removed at the end. */
class Jobs implements Disposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly file = join(this.#folder, "jobs.json");

  constructor(plan: Plan) {
    Deno.writeTextFileSync(this.file, JSON.stringify(plan));
  }

  run(): RunningExample {
    return startExample("task_runner.ts", ["--allow-ffi", "--allow-read", "--allow-write"], [
      this.file,
    ]);
  }

  /** The names of the files beside it. */
  left(): string[] {
    return [...Deno.readDirSync(this.#folder)].map(({ name }) => name);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function shell(name: string, script: string, timeout?: number): Plan["jobs"][number] {
  return { name, command: ["sh", "-c", script], timeout };
}

/** The summary behind the output of the jobs. */
function summary(lines: string[]): Record<string, string> {
  return Object.fromEntries(
    lines.slice(lines.lastIndexOf("") + 1).map((line) => line.split(" │ ").map((s) => s.trim())),
  );
}

async function isGone(pid: number): Promise<void> {
  await eventually(`${pid} is gone`, () => ["Z", undefined].includes(readStat(pid)?.state));
}

Deno.test("task_runner.ts runs all jobs and shows their output behind their names", async () => {
  using jobs = new Jobs({
    parallel: 2,
    jobs: [shell("one", "echo 1; echo 2 >&2"), shell("second", "printf 3"), shell("third", "")],
  });
  await using runner = jobs.run();
  const lines = await deadline(runner.rest(), PATIENCE);
  for (const line of ["one    │ 1", "one    │ 2", "second │ 3"]) assert(lines.includes(line), line);
  assertEquals(summary(lines), { one: "succeeded", second: "succeeded", third: "succeeded" });
  assertEquals((await runner.child.status).code, 0);
  assertEquals(jobs.left(), ["jobs.json"]);
});

Deno.test("task_runner.ts runs no more jobs at once than it may", async () => {
  const script = `mkdir "$0.lock" && sleep 0.05 && rmdir "$0.lock"`;
  using jobs = new Jobs({ parallel: 1, jobs: [] });
  const command = ["sh", "-c", script, jobs.file];
  const plan = ["a", "b", "c"].map((name) => ({ name, command }));
  Deno.writeTextFileSync(jobs.file, JSON.stringify({ parallel: 1, jobs: plan }));
  await using runner = jobs.run();
  const lines = await deadline(runner.rest(), PATIENCE);
  assertEquals(Object.values(summary(lines)), ["succeeded", "succeeded", "succeeded"]);
});

Deno.test("task_runner.ts ends the trees of all others when one fails", async () => {
  using jobs = new Jobs({
    parallel: 2,
    jobs: [
      shell("tree", "sleep 60 & echo $!; wait"),
      shell("bad", `until [ -e "$0.go" ]; do sleep 0.02; done; exit 3`),
      shell("later", ""),
    ],
  });
  const plan = JSON.parse(Deno.readTextFileSync(jobs.file));
  plan.jobs[1].command.push(jobs.file);
  Deno.writeTextFileSync(jobs.file, JSON.stringify(plan));
  await using runner = jobs.run();
  const [, pid] = (await deadline(runner.line(), PATIENCE))!.split("│").map(Number);
  Deno.writeTextFileSync(`${jobs.file}.go`, "");
  const lines = await deadline(runner.rest(), PATIENCE);
  assertEquals(summary(lines), { tree: "was stopped", bad: "failed", later: "not started" });
  assertEquals((await runner.child.status).code, 1);
  await isGone(pid);
});

Deno.test("task_runner.ts ends a job that takes too long", async () => {
  using jobs = new Jobs({ jobs: [shell("slow", "exec sleep 60", 10)] });
  await using runner = jobs.run();
  const lines = await deadline(runner.rest(), PATIENCE);
  assertEquals(summary(lines), { slow: "timed out" });
  assertEquals((await runner.child.status).code, 1);
});

Deno.test("task_runner.ts says which command isn't there", async () => {
  using jobs = new Jobs({ jobs: [{ name: "none", command: ["/no/such/command"] }] });
  await using runner = jobs.run();
  const lines = await deadline(runner.rest(), PATIENCE);
  assertStringIncludes(lines[0], "ENOENT");
  assertEquals(summary(lines), { none: "failed" });
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`task_runner.ts ends all trees at ${signal}`, async () => {
    using jobs = new Jobs({ jobs: [shell("tree", "sleep 60 & echo $!; wait")] });
    await using runner = jobs.run();
    const [, pid] = (await deadline(runner.line(), PATIENCE))!.split("│").map(Number);
    runner.child.kill(signal);
    assertEquals(summary(await deadline(runner.rest(), PATIENCE)), { tree: "was stopped" });
    assertEquals((await runner.child.status).code, 1);
    await isGone(pid);
  });
}

Deno.test("task_runner.ts ends what a job leaves running, with its output", async () => {
  using jobs = new Jobs({
    jobs: [shell("daemon", "setsid sh -c 'echo $$; exec sleep 60' & exit")],
  });
  await using runner = jobs.run();
  const [, pid] = (await deadline(runner.line(), PATIENCE))!.split("│").map(Number);
  assertEquals(summary(await deadline(runner.rest(), PATIENCE)), { daemon: "succeeded" });
  await isGone(pid);
  assertEquals(folders(runner.child.pid), []);
});

Deno.test(
  needing("Linux 6.9", pidfsIds.available, "task_runner.ts adopts the jobs that outlived it"),
  async () => {
    using jobs = new Jobs({ jobs: [shell("long", "echo $$; exec sleep 60"), shell("none", "")] });
    let pid: number;
    let crashed: number;
    {
      await using runner = jobs.run();
      const lines = [await runner.line(), await runner.line()].map((line) => line!.split(" │ "));
      pid = Number(lines.find(([name]) => name.trim() === "long")![1]);
      runner.child.kill("SIGKILL");
      await runner.child.status;
      crashed = runner.child.pid;
    }
    using long = PidFd.fromPid(pid);
    assertEquals(long.isAlive(), true);
    await using runner = jobs.run();
    const first = await deadline(runner.line(), PATIENCE);
    assertEquals(first, `long │ still runs as ${pid}`);
    runner.child.kill("SIGTERM");
    assertEquals(summary(await deadline(runner.rest(), PATIENCE)).long, "was stopped");
    await deadline(long.exited(), PATIENCE);
    for (const name of folders(crashed)) await removeFolder(name);
  },
);

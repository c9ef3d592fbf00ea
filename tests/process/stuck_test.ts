/**
 * Processes that not even SIGKILL ends, as they are held up in the kernel: in state D, where a
 * freezer of cgroups of version 1 holds them, or on their way out.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, killTree, spawn, type SpawnOptions } from "../../mod.ts";
import { ownCgroups } from "../../process/containment.ts";
import { CGROUPS } from "../support/cgroups.ts";
import { works } from "../support/privileges.ts";
import { eventually, isRoot, PATIENCE, readStat } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

/** Where the freezer's cgroups are; undefined if they aren't mounted. */
const FREEZER = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup \S+ \S*\bfreezer\b/m
  .exec(Deno.readTextFileSync("/proc/self/mountinfo"))?.[1];

/** A folder of the freezer's; what is in there goes on at the end of the block. */
class Freezer implements AsyncDisposable {
  readonly #path = `${FREEZER}/pidfd-test-${crypto.randomUUID()}`;

  constructor() {
    Deno.mkdirSync(this.#path);
  }

  async freeze(pid: number): Promise<void> {
    this.#write("cgroup.procs", String(pid));
    this.#write("freezer.state", "FROZEN");
    await eventually("it is held up", () => readStat(pid)?.state === "D");
  }

  thaw(): void {
    this.#write("freezer.state", "THAWED");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    const procs = () => Deno.readTextFileSync(`${this.#path}/cgroup.procs`);
    await eventually("nobody is in it", () => procs() === "");
    Deno.removeSync(this.#path);
  }

  #write(file: string, text: string): void {
    Deno.writeTextFileSync(`${this.#path}/${file}`, text);
  }
}

function canFreeze(): boolean {
  if (FREEZER === undefined) return false;
  try {
    const path = `${FREEZER}/pidfd-test-${crypto.randomUUID()}`;
    Deno.mkdirSync(path);
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** How the child is held, and what is needed for it. */
const MEANS: { name: string; options: SpawnOptions; needs?: string; isThere?: boolean }[] = [
  { name: "a tree", options: {} },
  { name: "what a mark holds", options: { contain: true } },
  {
    name: "what a cgroup holds",
    options: { contain: true },
    needs: CGROUPS,
    isThere: ownCgroups.available,
  },
];

for (const { name, options, needs, isThere = true } of MEANS) {
  Deno.test({
    ...needing(
      `the right to a freezer of cgroups of version 1${needs ? `, ${needs}` : ""}`,
      canFreeze() && isThere,
      `killTree() of ${name} names who is held up in the kernel, and ends the others`,
    ),
    async fn() {
      using _ = needs ? undefined : without(ownCgroups);
      await using child: Child = spawn("sh", ["-c", "sleep 60 & echo $!; wait"], {
        ...options,
        stdout: "piped",
      });
      const { value } = await child.stdout.getReader().read();
      const pid = parseInt(new TextDecoder().decode(value));
      await using freezer = new Freezer();
      await freezer.freeze(pid);
      const { ended, refused, stuck } = await deadline(
        killTree(child.pidfd, { grace: 100 }),
        PATIENCE,
      );
      const pids = (processes: readonly { pid: number }[]) => processes.map(({ pid }) => pid);
      assertEquals([pids(ended), refused, pids(stuck)], [[child.pid], [], [pid]]);
      freezer.thaw();
      await eventually("it has ended", () => ["Z", undefined].includes(readStat(pid)?.state));
    },
  });
}

for (const { name, options, needs, isThere = true } of MEANS) {
  Deno.test({
    ...needing(
      `root, nsenter${needs ? `, ${needs}` : ""}`,
      isRoot && works(["nsenter", "--target", String(Deno.pid), "--pid"]) && isThere,
      `killTree() of ${name} names a namespace's first process that waits for another's zombie`,
    ),
    async fn() {
      using _ = needs ? undefined : without(ownCgroups);
      await using init = spawn("sleep", ["60"], { ...options, unshare: ["pid"] });
      // Stopped, it doesn't reap its child, a guest in the namespace.
      const enter = ["--target", String(init.pid), "--pid", "sh", "-c", "echo; exec sleep 60"];
      await using guest = spawn("nsenter", enter, { stdout: "piped" });
      using nsenter = guest.pidfd;
      await guest.stdout.getReader().read();
      nsenter.sendSignal("SIGSTOP");
      using root = init.pidfd;
      const { ended, stuck } = await deadline(killTree(root, { grace: 100 }), PATIENCE);
      assertEquals([ended, stuck.map(({ pid }) => pid)], [[], [init.pid]]);
      nsenter.sendSignal("SIGCONT");
      assertEquals((await deadline(init.status, PATIENCE)).success, false);
    },
  });
}

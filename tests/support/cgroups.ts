/**
 * Cgroups of a test's own.
 *
 * @module
 */

import { eventually, readStat } from "./processes.ts";
import { type Mark, startTree, type Tree } from "./trees.ts";

/** The folder of the cgroup that all others are in; null without cgroup v2. */
export const CGROUP_ROOT: string | null = findRoot();

/** The folder of the cgroup that this process is in; null without cgroup v2. */
export const OWN_CGROUP: string | null = findOwn();

/** Where this process may make cgroups (version 2) that can be ended at once; null if nowhere. */
const parent: string | null = findParent();

/** Whether there are cgroups for tests. */
export const hasCgroups: boolean = parent !== null;

/** What is needed where there are none. */
export const CGROUPS = "a cgroup v2 to write to, and Linux 5.14";

/** What is needed where there are no controllers for tests. */
export const CONTROLLERS = "a cgroup v2 with the controllers cpu, memory and pids to hand on";

/** Whether this process may limit processes: a parent that has no process in it can hand them on. */
export function hasControllers(): boolean {
  if (OWN_CGROUP === null || !hasCgroups) return false;
  const listed = Deno.readTextFileSync(`${OWN_CGROUP}/cgroup.controllers`).trim().split(" ");
  // Only the root hands them on with processes in it.
  return OWN_CGROUP === CGROUP_ROOT &&
    ["cpu", "memory", "pids"].every((one) => listed.includes(one));
}

/** A shell's command that starts a daemon, which tells its PID, and ends. */
export const DAEMON = "setsid sh -c 'echo $$; exec sleep 60' & exit";

/** A new cgroup, which is removed at the end of the block. */
export class TestCgroup implements AsyncDisposable {
  /** Its folder. */
  readonly path = `${parent}/pidfd-test-${crypto.randomUUID()}`;

  constructor() {
    Deno.mkdirSync(this.path);
  }

  /** Moves a process into it. */
  add(pid: number): void {
    Deno.writeTextFileSync(`${this.path}/cgroup.procs`, String(pid));
  }

  /** The PIDs of the processes in it. */
  pids(): number[] {
    return Deno.readTextFileSync(`${this.path}/cgroup.procs`).split("\n").filter(Boolean).map(
      Number,
    );
  }

  /** Resolves once it can be removed, a moment after the last process in it is to be seen. */
  async emptied(): Promise<void> {
    const events = () => Deno.readTextFileSync(`${this.path}/cgroup.events`);
    await eventually("the cgroup is empty", () => events().includes("populated 0"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.writeTextFileSync(`${this.path}/cgroup.kill`, "1");
    await this.emptied();
    Deno.removeSync(this.path);
  }
}

/** A shell's command that goes on once it isn't stopped any more. */
const WHEN_MOVED = "kill -STOP $$; ";

/** Starts a shell's command in a cgroup, as it can be done with every libc. */
export async function startIn(cgroup: TestCgroup, mark: Mark, command: string): Promise<Tree> {
  const tree = startTree(mark, WHEN_MOVED + command);
  await eventually("it stopped", () => readStat(tree.child.pid)?.state === "T");
  cgroup.add(tree.child.pid);
  tree.child.kill("SIGCONT");
  return tree;
}

function findRoot(): string | null {
  const mountinfo = Deno.readTextFileSync("/proc/self/mountinfo");
  return /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mountinfo)?.[1] ?? null;
}

function findOwn(): string | null {
  const own = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1];
  if (CGROUP_ROOT === null || own === undefined) return null;
  return `${CGROUP_ROOT}${own === "/" ? "" : own}`;
}

/** The cgroup that this process is in, if it may make others there. */
function findParent(): string | null {
  if (OWN_CGROUP === null) return null;
  const trial = `${OWN_CGROUP}/pidfd-test-${crypto.randomUUID()}`;
  try {
    Deno.mkdirSync(trial);
  } catch (error) {
    const refused = [Deno.errors.PermissionDenied, Deno.errors.NotFound];
    if (refused.some((type) => error instanceof type) || isReadOnly(error)) return null;
    throw error;
  }
  try {
    return Deno.statSync(`${trial}/cgroup.kill`).isFile ? OWN_CGROUP : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  } finally {
    Deno.removeSync(trial);
  }
}

function isReadOnly(error: unknown): boolean {
  return String(error).includes("Read-only file system");
}

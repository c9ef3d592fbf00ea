/**
 * Processes as they are related to each other, and trees of them.
 *
 * @module
 */

import { deadline } from "@std/async";
import { type Child, PidFd, spawn, type SpawnOptions, SyscallError } from "../../mod.ts";
import { eventually, PATIENCE, readStat } from "./processes.ts";

/** The PIDs of all processes that there are, zombies as well. */
export function allPids(): number[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => Number(name));
}

/** The PIDs of a process's children, zombies as well. */
export function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => readStat(pid)?.ppid === parent);
}

/** The children that were started with a mark. */
const started = new WeakMap<object, Child[]>();

/**
 * A mark that a test's processes have, and all that they start: wherever those are, it finds
 * them. At the end of the block it ends what is left of them, and nobody waits for them any more.
 */
export class Mark implements AsyncDisposable {
  readonly #line = `PIDFD_TEST_MARK=${crypto.randomUUID()}`;

  /** The environment that marks a process. */
  get env(): Record<string, string> {
    const [name, value] = this.#line.split("=");
    return { [name]: value };
  }

  /** The PIDs of all processes that have the mark. Zombies have nothing any more. */
  pids(): number[] {
    return allPids().filter((pid) => this.#isOn(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await eventually("what has the mark is gone", () => {
      for (const pid of this.pids()) this.#kill(pid);
      return this.pids().length === 0;
    });
    const statuses = (started.get(this) ?? []).map(({ status }) => status);
    await deadline(Promise.allSettled(statuses), PATIENCE);
  }

  #isOn(pid: number): boolean {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").includes(this.#line);
    } catch (error) {
      // It is gone, a zombie, or somebody else's.
      const passing = [Deno.errors.NotFound, Deno.errors.PermissionDenied, Deno.errors.NotCapable];
      if (passing.some((type) => error instanceof type)) return false;
      if (String(error).includes("No such process")) return false;
      throw error;
    }
  }

  #kill(pid: number): void {
    try {
      using pidfd = PidFd.fromPid(pid);
      if (this.#isOn(pid)) pidfd.kill();
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
    }
  }
}

/** A child that prints lines, and whose descendants share its output with it. */
export interface Tree {
  readonly child: Child;
  /** The next lines that they print. */
  lines(count: number): Promise<string[]>;
  /** Resolves with what they print from now on, once the last one has ended. */
  rest(): Promise<string>;
}

/** Starts a shell's command that prints lines, with a mark. */
export function startTree(
  mark: Mark,
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Tree {
  const child = spawn("sh", {
    args: ["-c", command, ...args],
    env: mark.env,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    ...options,
  });
  started.set(mark, [...started.get(mark) ?? [], child]);
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const more = async () => {
    const { value, done } = await deadline(reader.read(), PATIENCE);
    text += decoder.decode(value, { stream: !done });
    return !done;
  };
  return {
    child,
    async lines(count) {
      while (text.split("\n").length <= count) {
        if (!await more()) throw new Error(`the tree ended without a word: ${text}`);
      }
      const lines = text.split("\n");
      text = lines.slice(count).join("\n");
      return lines.slice(0, count);
    },
    async rest() {
      while (await more());
      return text;
    },
  };
}

/** A shell's command that starts itself `$2` times, `$1` levels deep, and prints its PID. */
export const BRANCHING = `
  if [ $1 -gt 0 ]; then
    for i in $(seq $2); do sh -c "$0" "$0" $(($1 - 1)) $2 & done
  fi
  echo $$
  exec sleep 60
`;

/** Starts a tree with so many levels below its root, and resolves with the PIDs of all. */
export async function startBranching(
  mark: Mark,
  levels: number,
  width: number,
): Promise<Tree & { readonly pids: number[] }> {
  const tree = startTree(mark, BRANCHING, [BRANCHING, `${levels}`, `${width}`]);
  let count = 1;
  for (let level = 1; level <= levels; level++) count += width ** level;
  const pids = (await tree.lines(count)).map(Number);
  return { ...tree, pids: pids.sort((a, b) => a - b) };
}

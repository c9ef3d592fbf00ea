/**
 * Runs the command `pidfd` as a user does, in a process of its own.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { Lines } from "./lines.ts";
import { eventually, PATIENCE, ROOT } from "./processes.ts";
import { sweepCgroups } from "./cgroups.ts";
import { Mark } from "./trees.ts";

/** What a command printed and nobody has read yet, and how it ended. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options for {@linkcode commandLine}. */
export interface CommandLineOptions {
  /** What it may do: what it asks users for, unless told otherwise. */
  readonly permissions?: readonly string[];
  /** A command that executes the one behind it: how it runs with other rights. */
  readonly prefix?: readonly string[];
  /** Whether it takes kernel and libc for older ones than they are. */
  readonly onOldSystem?: boolean;
  /** A file of the tests' support that is loaded before it. */
  readonly preload?: string;
}

/** Options for {@linkcode start} and {@linkcode pidfd}. */
export interface StartOptions extends CommandLineOptions {
  readonly env?: Record<string, string>;
}

/** The command line that runs `pidfd` with arguments. */
export function commandLine(
  args: readonly string[],
  { permissions = ["--allow-ffi"], prefix = [], onOldSystem, preload }: CommandLineOptions = {},
): string[] {
  const preloads = [...(onOldSystem ? ["old_system.ts"] : []), ...(preload ? [preload] : [])];
  // Some are killed, and what they share, such as a cache, would have to stand that.
  const options = [
    "run",
    "--no-prompt",
    "--no-check",
    "--no-code-cache",
    ...preloads.map((file) => `--preload=${ROOT}tests/support/${file}`),
    ...permissions,
  ];
  return [...prefix, Deno.execPath(), ...options, `${ROOT}cli.ts`, ...args];
}

/** This program's environment, without what it says of colours. */
export function plainEnv(): Record<string, string> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = Deno.env.toObject();
  return env;
}

/** `pidfd`, while it runs. At the end of the block it has ended, and whatever it has started. */
export class RunningCli implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: Lines;
  readonly #stderr: Promise<string>;
  readonly #mark = new Mark();
  #closed: Promise<void> | undefined;
  #hasEnded = false;

  constructor([path, ...args]: readonly string[], env: Record<string, string> = {}) {
    this.#child = new Deno.Command(path, {
      args,
      env: { ...plainEnv(), ...this.#mark.env, ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#stdout = new Lines(this.#child.stdout);
    this.#stderr = new Lines(this.#child.stderr).rest();
    this.#child.status.then(() => this.#hasEnded = true);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The PIDs of all that is left of it and of what it has started, wherever that is. */
  left(): number[] {
    return this.#mark.pids();
  }

  /** The next line that it, or what it runs, prints. */
  line(): Promise<string> {
    return this.#stdout.next();
  }

  /** Writes it a line. */
  async say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Sends it a signal, if it is still there to get it. */
  tryKill(signal: Deno.Signal): void {
    try {
      this.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Resolves once it waits for processes, and knows all about them that it wants to. */
  async waitsFor(...pids: number[]): Promise<void> {
    await eventually(`it waits for ${pids}`, () => {
      const awaited = awaitedBy(this.pid);
      return pids.every((pid) => awaited.has(pid));
    });
  }

  /** Ends its input. Resolves once it and all that share its output have ended. */
  async finished(): Promise<Finished> {
    await this.#endInput();
    const stdout = await this.#stdout.rest();
    const stderr = await this.#stderr;
    const { code } = await deadline(this.#child.status, PATIENCE);
    return { code, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mark[Symbol.asyncDispose]();
    await this.#endInput();
    await this.#stdout.cancel();
    await this.#stderr;
    await this.#child.status;
    sweepCgroups();
  }

  #endInput(): Promise<void> {
    return this.#closed ??= this.#input.close();
  }
}

/** Starts `pidfd` with arguments. */
export function start(args: readonly string[], options: StartOptions = {}): RunningCli {
  return new RunningCli(commandLine(args, options), options.env);
}

/** Runs `pidfd` with arguments to its end. */
export async function pidfd(args: readonly string[], options?: StartOptions): Promise<Finished> {
  await using running = start(args, options);
  return await running.finished();
}

/** Runs `pidfd` with arguments, checks that all is well, and returns what it prints. */
export async function output(args: readonly string[], options?: StartOptions): Promise<string> {
  const { stdout, ...rest } = await pidfd(args, options);
  assertEquals(rest, { code: 0, stderr: "" });
  return stdout;
}

/** The objects on the lines that `--json` has it print. */
export function objectsOf(stdout: string): Record<string, unknown>[] {
  assertMatch(stdout, /\n$/);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Checks that it says in one line what is wrong, and prints nothing else. */
export async function assertFails(
  args: readonly string[],
  code: number,
  message: RegExp,
  options?: StartOptions,
): Promise<void> {
  const { stderr, ...rest } = await pidfd(args, options);
  assertEquals(rest, { code, stdout: "" }, stderr);
  assertMatch(stderr, /^pidfd: [^\n]+\n$/);
  assertMatch(stderr, message);
}

/** A process's command line as it is shown. */
export async function shownCommand(pid: number): Promise<string> {
  await eventually(`${pid} executes`, () => hasExecuted(pid));
  return commandLineOf(pid).replaceAll("\0", " ").trim();
}

function commandLineOf(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
}

/**
 * Whether a child has become what it is to be. The kernel lets its parent go on a moment before
 * that (CLONE_VFORK, clone(2)): then it has our own command line, after that for a moment none.
 */
function hasExecuted(pid: number): boolean {
  return !["", commandLineOf(Deno.pid)].includes(commandLineOf(pid));
}

/** The PIDs of the processes whose pidfds are in an epoll set of a process. */
function awaitedBy(waiter: number): Set<number> {
  const pids = new Map<string, number>();
  const watched = new Set<string>();
  try {
    // Before, its descriptors are copies of our own.
    if (!hasExecuted(waiter)) return new Set();
    for (const { name } of Deno.readDirSync(`/proc/${waiter}/fdinfo`)) {
      const text = Deno.readTextFileSync(`/proc/${waiter}/fdinfo/${name}`);
      const pid = /^Pid:\s+(\d+)$/m.exec(text);
      if (pid) pids.set(name, Number(pid[1]));
      for (const [, fd] of text.matchAll(/^tfd:\s+(\d+) /gm)) watched.add(fd);
    }
  } catch (error) {
    // Descriptors come and go while they are listed: whoever asks looks again.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return new Set([...pids].filter(([fd]) => watched.has(fd)).map(([, pid]) => pid));
}

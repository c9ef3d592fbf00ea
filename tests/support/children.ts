/**
 * Children of this process, by who reaps them: Deno, or nobody but the test.
 *
 * @module
 */

import { deadline } from "@std/async";
import { PidFd } from "../../mod.ts";
import { startPlanned } from "./plans.ts";
import { PATIENCE, readStat } from "./processes.ts";

/** Starts a shell command as a child of Deno's, which reaps it. */
export function startShell(command: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", command],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** A child of Deno's that runs until it is told to exit. */
export interface HeldChild extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** Tells it to exit, with the code that it was started with. */
  exit(): void;
}

/** Starts a child that exits when it is told to, and at the latest when this process does. */
export function startHeld(code = 0): HeldChild {
  const child = new Deno.Command("sh", {
    args: ["-c", "read _; exit $0", String(code)],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  // The end of its input is what tells it.
  let input: Promise<void> | undefined;
  const exit = () => void (input ??= child.stdin.close());
  return {
    child,
    exit,
    async [Symbol.asyncDispose]() {
      exit();
      await input;
      await child.status;
    },
  };
}

/** A child that nothing reaps but the test: until then its zombie stays. */
export interface UnreapedChild extends Disposable {
  readonly pid: number;
  /** A handle like one of `PidFd.fromPid`, which knows nothing of where the process comes from. */
  readonly pidfd: PidFd;
}

/** Starts a shell command, which gets no environment, as a child that nothing reaps. */
export function startUnreaped(command: string, cwd?: string): UnreapedChild {
  const pidfd = PidFd.fromFd(startPlanned(command, { cwd }));
  const pid = pidfd.getPid();
  return {
    pid,
    pidfd,
    [Symbol.dispose]() {
      pidfd.close();
      if (readStat(pid)?.ppid !== Deno.pid) return;
      // It was not reaped yet, and so the PID is still its own.
      using owner = PidFd.fromPid(pid);
      owner.kill();
      owner.waitSync({ reap: true });
    },
  };
}

/**
 * Blocks until a process has ended. Deno reaps nothing meanwhile, so that its own children are
 * zombies then for certain.
 */
export function blockUntilEnded(pid: number): void {
  blockUntil(`the end of ${pid}`, () => isZombie(pid));
}

/** Blocks until a stranger has ended and its parent has reaped it. */
export function blockUntilReaped(pid: number): void {
  blockUntil(`the reaping of ${pid}`, () => readStat(pid) === null);
}

function blockUntil(what: string, condition: () => boolean): void {
  const end = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
  }
}

/** Whether a process ended and was not reaped. */
export function isZombie(pid: number): boolean {
  return readStat(pid)?.state === "Z";
}

/** A child of Deno's that prints lines, and whose input is open for as long as the test goes on. */
export interface TalkingChild extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** The next line that it prints. */
  line(): Promise<string>;
  /** Writes it a line. */
  say(line: string): Promise<void>;
  /** Ends its input, which is what it should wait for. */
  endInput(): Promise<void>;
}

/** Starts a child that talks. */
export function startTalking(command: string, args: readonly string[]): TalkingChild {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const input = child.stdin.getWriter();
  let text = "";
  const line = async () => {
    while (!text.includes("\n")) {
      const { value, done } = await deadline(output.read(), PATIENCE);
      if (done) throw new Error(`the child ended without a word: ${text}`);
      text += value;
    }
    const end = text.indexOf("\n");
    const first = text.slice(0, end);
    text = text.slice(end + 1);
    return first;
  };
  let ended: Promise<void> | undefined;
  const endInput = () => ended ??= input.close();
  return {
    child,
    line,
    say: (line) => input.write(new TextEncoder().encode(`${line}\n`)),
    endInput,
    async [Symbol.asyncDispose]() {
      await endInput();
      await output.cancel();
      await child.status;
    },
  };
}

/**
 * A process that this program started: its handle, its pipes, and its end.
 *
 * A handle of its own reaps the child, and is closed as soon as that is done. So no child stays a
 * zombie, whatever users do with their handle. An ended child costs no fd but that of the cgroup
 * that it was born into: a disposal ends what is left in there.
 *
 * Of a child with `killOnClose` the same handle is what keeps it alive, and the kernel reaps it: the
 * handle is open until the child has ended, whatever becomes of the `Child`.
 *
 * @module
 */

import { denosOwn, SyscallError } from "../ffi/errors.ts";
import { settled } from "../ffi/readiness.ts";
import { KeepAlive } from "../ffi/waiter.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { type OwnedFd, shareKeepAlive } from "../pidfd/owned_fd.ts";
import { type Parts, partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { sendSignal } from "../pidfd/send_signal.ts";
import type { Signal } from "../pidfd/signals.ts";
import { type ChildOutput, notPiped } from "./child_output.ts";
import { type Bounds, Ending, type EndPlan } from "./ending.ts";
import { feed } from "./input.ts";
import { collectOutput, type OutputOptions } from "./output.ts";
import { closeEnds, type Ends, type PipeEnds } from "./stdio.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

/** A process that was just started, and what belongs to it. */
export interface Start {
  readonly pid: number;
  /** The handle that reaps it. */
  readonly owner: PidFd;
  readonly ends: Ends;
  /** What is written to its standard input, which then ends. */
  readonly input?: Uint8Array;
  /** What ends with it. */
  readonly bounds: Bounds;
  /** What ends it, and how. */
  readonly end: EndPlan;
}

/** Makes a Child of a process that was just started. */
export let createChild: (start: Start) => Child;

/**
 * A process started by {@linkcode spawn}, in the shape of `Deno.ChildProcess`. Until it ends,
 * the program goes on running, unless {@linkcode Child.unref} says otherwise.
 *
 * With `await using`, the child and its descendants have ended when the block is left. A daemon,
 * which has lost the parent that it was to be found by, ends as well if the child is contained: see
 * {@linkcode SpawnOptions.contain}.
 *
 * A worker that is terminated can do nothing any more for its children: they go on, nobody reaps
 * them until the program ends, and a thread and three descriptors stay as well.
 *
 * @example
 * ```ts
 * import { spawn } from "@pidfd/util";
 *
 * await using child = spawn("cat", { stdin: "piped", stdout: "piped" });
 * const writer = child.stdin.getWriter();
 * await writer.write(new TextEncoder().encode("meow"));
 * await writer.close();
 * console.log(await new Response(child.stdout).text()); // meow
 * ```
 */
export class Child implements AsyncDisposable {
  /** The child's PID. Once it has ended, the number can be another process's. */
  readonly pid: number;
  /**
   * Resolves with the exit status once the child has ended and was reaped. An abort of the
   * `signal` that it was started with doesn't change that: see {@linkcode Child.endError}.
   *
   * While a tracer holds the child's zombie it waits, at no cost, until the tracer lets go.
   */
  readonly status: Promise<ExitStatus>;
  /**
   * Its own terminal, or null without the option `terminal`. The child gets SIGHUP if this program
   * ends before it, as the terminal ends then.
   */
  readonly terminal: Terminal | null;
  readonly #owner: PidFd;
  readonly #parts: Parts;
  readonly #ends: Ends;
  readonly #keepAlive = new KeepAlive();
  readonly #ending: Ending;
  #disposal: Promise<void> | undefined;
  #inputError: Error | undefined;
  #pidfd: PidFd | undefined;

  private constructor({ pid, owner, ends, input, bounds, end }: Start) {
    this.pid = pid;
    this.#owner = owner;
    this.#parts = partsOf(owner);
    this.#ends = ends;
    this.#ending = new Ending(owner, end.how, bounds, this.#keepAlive);
    const { terminal, ...pipes } = ends;
    for (const pipe of Object.values(pipes)) shareKeepAlive(pipe, this.#keepAlive);
    this.status = this.#parts.exit.reaped(this.#keepAlive);
    // Those who ask are told. That nobody asks must not end the program.
    this.status.catch(() => {});
    this.terminal = terminal ? createTerminal(terminal, this.#keepAlive, this.status) : null;
    this.#ending.heed(end, this.status);
    const { containment } = bounds;
    if (containment) this.status.then(() => containment.childEnded(), () => {});
    if (input) feed(this.#end("stdin"), input).catch((error) => this.#inputError = error);
  }

  static {
    createChild = (start) => new Child(start);
  }

  /**
   * The child's handle, whose closing is the user's: at the end of a `using` block, or by
   * garbage collection. It is of use after the child's end as well. If it is first asked for then, it
   * has no descriptor ({@linkcode PidFd.closed}), and tells the status alone.
   */
  get pidfd(): PidFd {
    // The status is told a moment before the owner is retired. What users get is the same.
    this.#parts.exit.retire();
    return this.#pidfd ??= this.#owner.clone();
  }

  /**
   * Writes to the child's standard input. Closing it is the end of the input. With the option
   * `input` it is locked: the input is written to it.
   *
   * @throws {TypeError} If it isn't piped.
   */
  get stdin(): WritableStream<Uint8Array> {
    return this.#end("stdin").writable;
  }

  /**
   * Reads the child's standard output.
   *
   * @throws {TypeError} If it isn't piped.
   */
  get stdout(): Deno.SubprocessReadableStream {
    return this.#end("stdout").readable;
  }

  /**
   * Reads the child's standard error.
   *
   * @throws {TypeError} If it isn't piped.
   */
  get stderr(): Deno.SubprocessReadableStream {
    return this.#end("stderr").readable;
  }

  /**
   * Resolves with the child's status and all that it wrote, once it has ended and its pipes have,
   * too.
   *
   * A descendant that outlives the child holds its pipes open. Then this waits for that one as
   * well, as Deno does, unless `waitDelay` is given.
   *
   * @throws {TypeError} If a piped stream is being read already, or was collected before. In what
   *   it resolves with, a stream that isn't piped throws when it is asked for, as Deno's does.
   * @throws {SyscallError} If the option `input` could not be written. A child that doesn't read
   *   all of it is no error.
   *
   * @example No longer than a second for what the child has left running
   * ```ts
   * import { spawn } from "@pidfd/util";
   *
   * await using child = spawn("sh", ["-c", "sleep 60 & echo done"], { stdout: "piped" });
   * const { stdout, truncated } = await child.output({ waitDelay: 1000 });
   * console.log(new TextDecoder().decode(stdout), truncated); // done, true
   * ```
   */
  async output(options: OutputOptions = {}): Promise<ChildOutput> {
    const { status } = this;
    const { stdout, stderr } = this.#ends;
    const output = await collectOutput({
      status,
      stdout: stdout?.readable,
      stderr: stderr?.readable,
      end: () => this.#ending.begin(),
    }, options);
    if (this.#inputError) throw this.#inputError;
    return output;
  }

  /**
   * Sends a signal: SIGTERM unless told otherwise.
   *
   * @throws {SyscallError} `ESRCH` once the child has ended and was reaped. It is a TypeError as
   *   well, as Deno's is.
   */
  kill(signal: Signal = "SIGTERM"): void {
    try {
      sendSignal(this.#parts.handle, signal);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
      throw denosOwn(error, TypeError, "Child process has already terminated");
    }
  }

  /** Whether it was its `timeout` that ended the child, or was to: see {@linkcode Child.endError}. */
  get timedOut(): boolean {
    return this.#ending.timedOut;
  }

  /**
   * Why an aborted `signal`, `timeout` or `maxBytes` could not end the child, or null. A program
   * with more rights than this one, such as a set-user-ID program, refuses its signals (EPERM): then
   * it goes on, and `status` still tells how it ended. If its descendants or all that it has started
   * were to end with it, so it is if one of those refuses.
   */
  get endError(): Error | null {
    return this.#ending.error;
  }

  /** Undoes {@linkcode Child.unref}. */
  ref(): void {
    this.#keepAlive.ref();
  }

  /**
   * Lets the program end while the child runs and while its streams or its terminal are open, as
   * `Deno.ChildProcess.unref` does. The child goes on then.
   */
  unref(): void {
    this.#keepAlive.unref();
  }

  /**
   * Ends the child and its descendants, as {@linkcode killTree} does, with the cgroup whose path it
   * was given, the streams to them, and its terminal; a contained child with all that it has started.
   * Resolves once that is done. What couldn't be ended of a contained child can be tried again.
   *
   * @throws {UnsupportedError} Before Linux 5.14 with a cgroup, after the tree has ended.
   * @throws {SyscallError} `EACCES` without the right to end the cgroup, after the tree has ended;
   *   `EMFILE` if there are no descriptors left to find the others by; `EPERM` if the child or
   *   another of them refuses this program's signals: the message names those that are left.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // Of two at a time, none may close what the other still uses.
    this.#disposal ??= this.#dispose().finally(() => this.#disposal = undefined);
    await this.#disposal;
  }

  async #dispose(): Promise<void> {
    // A program does not end before what it waits for here.
    this.#keepAlive.ref();
    try {
      await this.#ending.endTree();
      await this.status;
      await this.#ending.settled;
    } finally {
      closeEnds(this.#ends);
      this.terminal?.close();
      this.#pidfd?.close();
      this.#release();
      this.#ending.release();
      await settled();
    }
  }

  /** Gives up the owner once the child was reaped, which is tried again if it failed before. */
  #release(): void {
    this.status
      // One that couldn't be ended goes on, and whoever watches it reaps it in the end.
      .then(() => true, () => this.#owner.tryWait() !== null)
      // The status has told what was in the way of it.
      .catch(() => true)
      .then((isOver) => isOver && this.#parts.handle.retire())
      .catch(() => {});
  }

  #end(name: keyof PipeEnds): OwnedFd {
    const end = this.#ends[name];
    if (!end) throw notPiped(name);
    return end;
  }
}

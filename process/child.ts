/**
 * A process that this program started: its handle, its pipes, and its end.
 *
 * The child is reaped by a handle of its own, which nobody else sees and which is given up
 * as soon as that is done: no child becomes a zombie, whatever becomes of the handle that
 * users get, and no child costs an fd once it is gone, but for that of the cgroup that it was
 * born into: whoever disposes of the child ends what is left in there.
 *
 * @module
 */

import { KeepAlive, threadReturned } from "../ffi/readiness.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { type OwnedFd, shareKeepAlive } from "../pidfd/owned_fd.ts";
import { type Parts, partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { sendSignal } from "../pidfd/send_signal.ts";
import type { Signal } from "../pidfd/signals.ts";
import { type Bounds, Ending, type EndPlan } from "./ending.ts";
import { type ChildOutput, collectOutput, type OutputOptions } from "./output.ts";
import { closeEnds, type PipeEnds } from "./stdio.ts";

/** A process that was just started, and what belongs to it. */
export interface Start {
  readonly pid: number;
  /** The handle that reaps it. */
  readonly owner: PidFd;
  readonly ends: PipeEnds;
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
  readonly #owner: PidFd;
  readonly #parts: Parts;
  readonly #ends: PipeEnds;
  readonly #keepAlive = new KeepAlive();
  readonly #ending: Ending;
  #disposal: Promise<void> | undefined;
  #pidfd: PidFd | undefined;

  private constructor({ pid, owner, ends, bounds, end }: Start) {
    this.pid = pid;
    this.#owner = owner;
    this.#parts = partsOf(owner);
    this.#ends = ends;
    this.#ending = new Ending(owner, end.how, bounds, this.#keepAlive);
    for (const pipe of Object.values(ends)) shareKeepAlive(pipe, this.#keepAlive);
    this.status = this.#parts.exit.reaped(this.#keepAlive);
    // Those who ask are told. That nobody asks must not end the program.
    this.status.catch(() => {});
    this.#ending.heed(end, this.status);
    const { containment } = bounds;
    if (containment) this.status.then(() => containment.childEnded(), () => {});
  }

  static {
    createChild = (start) => new Child(start);
  }

  /**
   * The child's handle, whose closing is the user's: at the end of a `using` block, or by
   * garbage collection. It is of use after the child's end as well.
   */
  get pidfd(): PidFd {
    // The status is told a moment before the owner is retired. What users get is the same.
    this.#parts.exit.retire();
    return this.#pidfd ??= this.#owner.clone();
  }

  /**
   * Writes to the child's standard input. Closing it is the end of the input.
   *
   * @throws {TypeError} If it isn't piped.
   */
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
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
   * too. A stream that isn't piped comes out empty.
   *
   * A descendant that outlives the child holds its pipes open. Then this waits for that one as
   * well, as Deno does, unless `waitDelay` is given.
   *
   * @throws {TypeError} If a piped stream is being read already.
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
    return await collectOutput({
      status,
      stdout: stdout?.readable,
      stderr: stderr?.readable,
      end: () => this.#ending.begin(),
    }, options);
  }

  /**
   * Sends a signal: SIGTERM unless told otherwise.
   *
   * @throws {SyscallError} `ESRCH` once the child has ended and was reaped.
   */
  kill(signal: Signal = "SIGTERM"): void {
    sendSignal(this.#parts.handle, signal);
  }

  /** Whether it was its `timeout` that ended the child. */
  get timedOut(): boolean {
    return this.#ending.timedOut;
  }

  /**
   * Why an aborted `signal`, `timeout` or `maxBytes` could not end the child, or null. A program with more rights than this
   * one, such as a set-user-ID program, refuses its signals (EPERM): then it goes on, and `status`
   * still tells how it ended.
   */
  get endError(): Error | null {
    return this.#ending.error;
  }

  /** Undoes {@linkcode Child.unref}. */
  ref(): void {
    this.#keepAlive.ref();
  }

  /**
   * Lets the program end while the child runs and while its piped streams are open, as
   * `Deno.ChildProcess.unref` does. The child goes on then.
   */
  unref(): void {
    this.#keepAlive.unref();
  }

  /**
   * Ends the child and its descendants, as {@linkcode killTree} does, with the cgroup whose path it
   * was given, and the streams to them; a contained child with all that it has started. Resolves once
   * that is done. What couldn't be ended of a contained child can be tried again.
   *
   * @throws {UnsupportedError} Before Linux 5.14 with a cgroup, after the tree has ended.
   * @throws {SyscallError} `EACCES` without the right to end the cgroup, after the tree has ended;
   *   `EMFILE` if there are no descriptors left to find the others by.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // Of two at a time, none may close what the other still uses.
    this.#disposal ??= this.#dispose().finally(() => this.#disposal = undefined);
    await this.#disposal;
  }

  async #dispose(): Promise<void> {
    try {
      await this.#ending.endTree();
      await this.status;
      await this.#ending.settled;
    } finally {
      closeEnds(this.#ends);
      this.#pidfd?.close();
      this.#ending.release();
      this.#release();
      await threadReturned();
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
    if (!end) throw new TypeError(`Cannot get '${name}': '${name}' is not piped`);
    return end;
  }
}

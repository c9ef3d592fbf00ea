/**
 * Ownership of one fd, which everything that users hold is built on.
 *
 * States:
 *
 * - **open** from its making on. The handle alone closes the fd, exactly once; dropped
 *   while open, it is closed by the garbage collector.
 * - **retired** by `retire`, which only the handle of a reaped process can be. The fd is
 *   closed, because there is nothing left that the kernel could do with it: `use` throws the
 *   ESRCH that any call would, and what needs the fd itself throws BadResource. What is known
 *   already can still be asked.
 * - **closed** by `close` or `release`, for good. `use` throws BadResource.
 *
 * Once it isn't open any more a handle has no number, so that whatever got the number next
 * is out of its reach.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { close, discard, duplicate, inode, setCloseOnExec, tryInode } from "../ffi/files.ts";
import { forget } from "../ffi/readiness.ts";
import { checkBoolean } from "./arguments.ts";

/** What `fd` reads where there is none: no call accepts it. */
const NONE = -1;

const dropped = new FinalizationRegistry<number>(discard);

/** How many handles wait at most to be registered with that. */
const MOST_FRESH = 256;

/**
 * The handles of this turn, which are registered at its end if they are still open: most are closed in
 * the same block, and to register one takes half as long as to open it. The collector closes nothing before the
 * end of a turn anyway.
 */
let fresh: FdHandle[] = [];

/** An fd and the duty to close it. */
export class FdHandle {
  #fd: number;
  #closed = false;
  #isRegistered = false;
  #inode: bigint | undefined;
  readonly #holder: string;

  /**
   * @param fd Taken over: nobody else closes it from now on.
   * @param holder Who holds it, for the message of BadResource.
   * @param inode Its inode number, if that is known.
   */
  constructor(fd: number, holder: string, inode?: bigint) {
    this.#fd = fd;
    this.#holder = holder;
    this.#inode = inode;
    if (fd === NONE) return;
    if (fresh.push(this) === 1) queueMicrotask(FdHandle.#registerFresh);
    else if (fresh.length >= MOST_FRESH) FdHandle.#registerFresh();
  }

  static #registerFresh(): void {
    const handles = fresh;
    fresh = [];
    for (const handle of handles) {
      if (handle.#fd === NONE) continue;
      dropped.register(handle, handle.#fd, handle);
      handle.#isRegistered = true;
    }
  }

  /** The fd, or −1 if there is none any more. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws BadResource once closed. */
  check(): void {
    if (this.#closed) throw this.closedError();
  }

  /** The fd for a call. */
  use(): number {
    if (this.#fd !== NONE) return this.#fd;
    this.check();
    throw reaped();
  }

  /** The inode number of the open file, which stays the same as long as that is open. */
  inode(): bigint {
    this.check();
    return this.#inode ??= inode(this.use());
  }

  /** Closes the fd and rejects whoever waits for it. Does nothing on a closed handle. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop(() => this.closedError(), close);
  }

  /** Closes the fd of a process that was reaped. */
  retire(): void {
    this.check();
    // The process's id, which nobody could tell any more.
    if (this.#fd !== NONE) this.#inode ??= tryInode(this.#fd);
    // Not even an fd that something else has closed may get in the way of the status.
    this.#drop(reaped, discard);
  }

  /** Gives the fd away: its closing is now the caller's duty. */
  release(): number {
    const fd = this.#descriptor();
    this.#closed = true;
    this.#let(() => this.closedError());
    return fd;
  }

  /** Another handle with an fd of its own; without one if this one is retired. */
  clone(): FdHandle {
    this.check();
    const fd = this.#fd === NONE ? NONE : duplicate(this.#fd);
    return new FdHandle(fd, this.#holder, this.#inode);
  }

  setCloseOnExec(on: boolean): void {
    checkBoolean("on", on);
    setCloseOnExec(this.#descriptor(), on);
  }

  /** The fd, for what is done with that and not with the process behind it. */
  #descriptor(): number {
    this.check();
    if (this.#fd !== NONE) return this.#fd;
    throw new Deno.errors.BadResource(`this ${this.#holder} is closed, as the process was reaped`);
  }

  #drop(reason: () => Error, end: (fd: number) => void): void {
    const fd = this.#fd;
    if (fd === NONE) return;
    this.#let(reason);
    end(fd);
  }

  #let(reason: () => Error): void {
    forget(this.#fd, reason);
    if (this.#isRegistered) dropped.unregister(this);
    this.#fd = NONE;
  }

  /** What is said to whoever uses it once it is closed. */
  closedError(): Error {
    return new Deno.errors.BadResource(`this ${this.#holder} is closed`);
  }
}

function reaped(): Error {
  return failure("pidfd", Errno.ESRCH, { [Errno.ESRCH]: "the process was reaped" });
}

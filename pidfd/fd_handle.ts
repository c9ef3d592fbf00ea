/**
 * Ownership of one fd. Every class that users hold is built on this one.
 *
 * States:
 *
 * - **open** from the constructor on. The handle alone closes the fd, exactly once. If an open
 *   handle becomes garbage, the garbage collector closes the fd.
 * - **retired** by `retire`, once the process was reaped. The fd is closed early, because no call
 *   on it could succeed any more. `use` throws the ESRCH that a call would return. Methods that
 *   need the fd itself throw BadResource. Facts that are already known stay available.
 * - **closed** by `close` or `release`, for good. `use` throws BadResource.
 *
 * A handle that is not open keeps no fd number. So it can never touch another file that gets the
 * same number later.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { close, discard, duplicate, inode, setCloseOnExec, tryInode } from "../ffi/files.ts";
import { forget } from "../ffi/readiness.ts";
import { checkBoolean } from "./arguments.ts";

/** The value of `fd` if there is no descriptor. No call accepts it. */
const NONE = -1;

const dropped = new FinalizationRegistry<number>(discard);

/** How many handles may wait to be registered with `dropped`. */
const MOST_FRESH = 256;

/**
 * The handles made in this turn of the event loop. At its end, those that are still open are
 * registered with `dropped`. The reason: registering takes half as long as opening, and most
 * handles are closed in the same block. The garbage collector closes nothing before the end of a
 * turn anyway.
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
   * @param fd Taken over: from now on only this handle closes it.
   * @param holder The name of the class that holds it, for the message of BadResource.
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

  /** The inode number of the open file. It never changes, so it is read once. */
  inode(): bigint {
    this.check();
    return this.#inode ??= inode(this.use());
  }

  /** Closes the fd and rejects all waits for it. Does nothing on a closed handle. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop(() => this.closedError(), close);
  }

  /** Closes the fd of a process that was reaped. */
  retire(): void {
    this.check();
    // The inode number is the process's id. Without the fd it could not be read any more.
    if (this.#fd !== NONE) this.#inode ??= tryInode(this.#fd);
    // Not `close`: if other code has closed the fd, that must not hide the exit status.
    this.#drop(reaped, discard);
  }

  /** Gives the fd away: from now on the caller must close it. */
  release(): number {
    const fd = this.#descriptor();
    this.#closed = true;
    this.#let(() => this.closedError());
    return fd;
  }

  /** A second handle with its own fd, or without an fd if this one is retired. */
  clone(): FdHandle {
    this.check();
    const fd = this.#fd === NONE ? NONE : duplicate(this.#fd);
    return new FdHandle(fd, this.#holder, this.#inode);
  }

  setCloseOnExec(on: boolean): void {
    checkBoolean("on", on);
    setCloseOnExec(this.#descriptor(), on);
  }

  /** The fd, for operations on the descriptor itself and not on the process behind it. */
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

  /** The error for any use of a closed handle. */
  closedError(): Error {
    return new Deno.errors.BadResource(`this ${this.#holder} is closed`);
  }
}

function reaped(): Error {
  return failure("pidfd", Errno.ESRCH, { [Errno.ESRCH]: "the process was reaped" });
}

/**
 * Ownership of one fd, which everything that users hold is built on.
 *
 * A handle is **open** from its making until `close` or `release`, and **closed** from
 * then on for good. While open it alone closes the fd, exactly once; once closed it
 * has no number any more, so that whatever got the number next is out of its reach.
 * A handle that is dropped while open is closed by the garbage collector.
 *
 * @module
 */

import { close, duplicate, setCloseOnExec } from "../ffi/files.ts";
import { forget } from "../ffi/readiness.ts";
import { checkBoolean } from "./arguments.ts";

/** What `fd` reads on a closed handle: no call accepts it. */
const CLOSED = -1;

const dropped = new FinalizationRegistry<number>(close);

/** An fd and the duty to close it. */
export class FdHandle {
  #fd: number;
  readonly #holder: string;

  /**
   * @param fd Taken over: nobody else closes it from now on.
   * @param holder Who holds it, for the message of BadResource.
   */
  constructor(fd: number, holder: string) {
    this.#fd = fd;
    this.#holder = holder;
    dropped.register(this, fd, this);
  }

  /** The fd, or −1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd === CLOSED;
  }

  /** The fd for a call; throws BadResource once closed. */
  use(): number {
    if (this.closed) throw this.#bad();
    return this.#fd;
  }

  /** Closes the fd and rejects whoever waits for it. Does nothing on a closed handle. */
  close(): void {
    if (!this.closed) close(this.release());
  }

  /** Gives the fd away: its closing is now the caller's duty. */
  release(): number {
    const fd = this.use();
    forget(fd, this.#bad());
    dropped.unregister(this);
    this.#fd = CLOSED;
    return fd;
  }

  /** A duplicate of the fd, owned by nobody yet. */
  duplicate(): number {
    return duplicate(this.use());
  }

  setCloseOnExec(on: boolean): void {
    checkBoolean("on", on);
    setCloseOnExec(this.use(), on);
  }

  #bad(): Error {
    return new Deno.errors.BadResource(`this ${this.#holder} is closed`);
  }
}

/**
 * All that a child writes, collected while this thread does nothing else.
 *
 * poll(2) waits for all pipes at once: a child that fills one while this program waits for
 * another would wait for ever.
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { setNonblocking, tryEnlargePipe, tryRead, tryWrite } from "../ffi/files.ts";
import { pollAll } from "../ffi/syscalls.ts";
import { joined } from "../pidfd/collect.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import { EPOLLIN, EPOLLOUT } from "../structs/epoll_event.ts";
import type { Start } from "./child.ts";
import type { Collected } from "./child_output.ts";

/** How much memory is taken at a time, at first and then. */
const FIRST_PIECE = 64 * 1024;
const PIECE = 1024 * 1024;

/** How much of a piece may be left over, so that few calls read much. */
const LEFT_OVER = 16 * 1024;

/** What a pipe is made to hold, so that the two sides meet less often. */
const LARGE_PIPE = 256 * 1024;

/** How often what is in the pipes is read once the child was ended: enough for a large pipe. */
const LAST_STEPS = 32;

/** What is waited for. */
interface Flow {
  readonly fd: number;
  readonly events: number;
  /** Moves what can be moved now. Returns whether that was the last. */
  move(): boolean;
}

/** Bytes that are read straight to where they stay. */
class Reading implements Flow {
  readonly events = EPOLLIN;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  #piece = new Uint8Array(new ArrayBuffer(FIRST_PIECE));
  #length = 0;

  constructor(readonly fd: number) {}

  move(): boolean {
    if (this.#piece.length - this.#length < LEFT_OVER) this.#next();
    const length = tryRead(this.fd, this.#piece.subarray(this.#length));
    if (length === -Errno.EAGAIN) return false;
    this.#length += check("read", length);
    return length === 0;
  }

  /** All that was read by now, and no more memory than that. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joined([...this.#pieces, this.#piece.slice(0, this.#length)]);
  }

  #next(): void {
    if (this.#pieces.length === 0) tryEnlargePipe(this.fd, LARGE_PIPE);
    this.#pieces.push(this.#piece.subarray(0, this.#length));
    this.#piece = new Uint8Array(new ArrayBuffer(PIECE));
    this.#length = 0;
  }
}

/** Bytes that are written as fast as the child reads them, and then their end. */
class Writing implements Flow {
  readonly events = EPOLLOUT;
  readonly #end: OwnedFd;
  #rest: Uint8Array<ArrayBuffer>;

  constructor(end: OwnedFd, input: Uint8Array) {
    this.#end = end;
    this.#rest = input as Uint8Array<ArrayBuffer>;
  }

  get fd(): number {
    return this.#end.fd;
  }

  move(): boolean {
    const length = this.#rest.length === 0 ? 0 : tryWrite(this.fd, this.#rest);
    if (length === -Errno.EAGAIN) return false;
    // A child that reads only a part of it has not failed.
    if (length === -Errno.EPIPE) this.#rest = this.#rest.subarray(this.#rest.length);
    else this.#rest = this.#rest.subarray(check("write", length));
    if (this.#rest.length > 0) return false;
    this.#end.close();
    return true;
  }
}

/** The child's end. */
class Exit implements Flow {
  readonly events = EPOLLIN;
  constructor(readonly fd: number) {}
  move(): boolean {
    return true;
  }
}

/** The collection of one child's output. */
export class SyncCollection {
  readonly #stdout: Reading | undefined;
  readonly #stderr: Reading | undefined;
  readonly #exit: Flow;
  #flows: Flow[];

  constructor({ owner, ends, input }: Pick<Start, "owner" | "ends" | "input">) {
    for (const end of Object.values(ends)) setNonblocking(end.fd);
    const { stdin, stdout, stderr } = ends;
    this.#stdout = stdout && new Reading(stdout.fd);
    this.#stderr = stderr && new Reading(stderr.fd);
    this.#exit = new Exit(owner.fd);
    const writing = stdin && input && new Writing(stdin, input);
    this.#flows = [this.#stdout, this.#stderr, writing, this.#exit].filter((flow) => !!flow);
  }

  /** Goes on until the child and all its pipes have ended. Returns false at the deadline. */
  run(deadline: number): boolean {
    while (this.#flows.length > 0) if (!this.#step(deadline)) return false;
    return true;
  }

  /** As `run`, but until the child has ended: others may hold its pipes open. */
  runToExit(deadline: number): boolean {
    while (this.#flows.includes(this.#exit)) if (!this.#step(deadline)) return false;
    // What is in the pipes still. Whoever fills them again and again has to stop some time.
    for (let i = 0; i < LAST_STEPS && this.#flows.length > 0; i++) this.#step(0);
    return true;
  }

  /** What was collected by now. */
  get collected(): Collected {
    return {
      stdout: this.#stdout?.bytes(),
      stderr: this.#stderr?.bytes(),
      truncated: this.#flows.some((flow) => flow instanceof Reading),
    };
  }

  /** Waits for one of them at least. Returns false if the deadline came first. */
  #step(deadline: number): boolean {
    const ready = pollAll(this.#flows.map(({ fd, events }) => ({ fd, events })), deadline);
    if (ready === null) return false;
    this.#flows = this.#flows.filter((flow, i) => ready[i] === 0 || !flow.move());
    return true;
  }
}

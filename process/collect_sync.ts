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
import type { Collected } from "./output.ts";
import type { PipeEnds } from "./stdio.ts";

/** How much memory is taken at a time, at first and then. */
const FIRST_PIECE = 64 * 1024;
const PIECE = 1024 * 1024;

/** How much of a piece may be left over, so that few calls read much. */
const LEFT_OVER = 16 * 1024;

/** What a pipe is made to hold, so that the two sides meet less often. */
const LARGE_PIPE = 256 * 1024;

/** One pipe between the child and this program. */
interface Flow {
  readonly end: OwnedFd;
  /** What it waits for. */
  readonly events: number;
  /** Moves what can be moved now. Returns whether that was the last. */
  move(fd: number): boolean;
}

/** Bytes that are read straight to where they stay. */
class Reading implements Flow {
  readonly events = EPOLLIN;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  #piece = new Uint8Array(new ArrayBuffer(FIRST_PIECE));
  #length = 0;

  constructor(readonly end: OwnedFd) {}

  move(fd: number): boolean {
    if (this.#piece.length - this.#length < LEFT_OVER) this.#next(fd);
    const length = tryRead(fd, this.#piece.subarray(this.#length));
    if (length === -Errno.EAGAIN) return false;
    this.#length += check("read", length);
    return length === 0;
  }

  /** All that was read by now. */
  bytes(): Uint8Array<ArrayBuffer> {
    // A copy, where it is the only piece: users keep no more memory than they have bytes.
    const last = this.#piece.slice(0, this.#length);
    return joined([...this.#pieces, last]);
  }

  #next(fd: number): void {
    if (this.#pieces.length === 0) tryEnlargePipe(fd, LARGE_PIPE);
    this.#pieces.push(this.#piece.subarray(0, this.#length));
    this.#piece = new Uint8Array(new ArrayBuffer(PIECE));
    this.#length = 0;
  }
}

/** Bytes that are written as fast as the child reads them. */
class Writing implements Flow {
  readonly events = EPOLLOUT;
  #rest: Uint8Array<ArrayBuffer>;

  constructor(readonly end: OwnedFd, input: Uint8Array) {
    this.#rest = input as Uint8Array<ArrayBuffer>;
  }

  move(fd: number): boolean {
    if (this.#rest.length === 0) return true;
    const length = tryWrite(fd, this.#rest);
    if (length === -Errno.EAGAIN) return false;
    // A child that reads only a part of it has not failed.
    if (length === -Errno.EPIPE) return true;
    this.#rest = this.#rest.subarray(check("write", length));
    return this.#rest.length === 0;
  }
}

/**
 * Writes the input and reads both streams to their ends, or until the deadline. Each end is closed
 * once it is through.
 *
 * @param deadline In `performance.now()` time; Infinity for none.
 */
export function collectSync(
  ends: PipeEnds,
  input: Uint8Array | undefined,
  deadline: number,
): Collected {
  const stdout = ends.stdout && new Reading(ends.stdout);
  const stderr = ends.stderr && new Reading(ends.stderr);
  const stdin = ends.stdin && new Writing(ends.stdin, input ?? new Uint8Array());
  let flows: Flow[] = [stdout, stderr, stdin].filter((flow) => flow !== undefined);
  for (const { end } of flows) setNonblocking(end.fd);
  while (flows.length > 0) {
    const ready = pollAll(flows.map(({ end, events }) => ({ fd: end.fd, events })), deadline);
    if (ready === null) break;
    flows = flows.filter((flow, i) => {
      if (ready[i] === 0 || !flow.move(flow.end.fd)) return true;
      flow.end.close();
      return false;
    });
  }
  return { stdout: stdout?.bytes(), stderr: stderr?.bytes() };
}

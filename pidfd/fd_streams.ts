/**
 * Web streams on an fd.
 *
 * No call blocks: the fd is nonblocking. On EAGAIN the stream waits on the one thread that is
 * parked for all waits. Data is copied straight between the kernel and the user's bytes. Regular
 * files are always ready.
 *
 * The kernel does the back-pressure: a stream reads only on demand. So an unread pipe fills up, and
 * its writer has to wait.
 *
 * @module
 */

import { check, failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import {
  accessMode,
  O_RDONLY,
  O_WRONLY,
  setNonblocking,
  tryEnlargePipe,
  tryRead,
  tryWrite,
} from "../ffi/files.ts";
import { ready, settled } from "../ffi/readiness.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { shutdownSending } from "../ffi/sockets.ts";
import { isNearEnd } from "../ffi/terminals.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from "../structs/epoll_event.ts";
import { checkInstance } from "./arguments.ts";
import { collect, decodeUtf8 } from "./collect.ts";
import { FdHandle } from "./fd_handle.ts";

/** How much is read at a time, in bytes: the default capacity of a pipe. */
const CHUNK = 64 * 1024;

/**
 * The capacity that a busy pipe gets, in bytes, so that reader and writer switch less often. It is
 * not larger, because a user may have 64 MiB in pipes: beyond that the kernel makes new pipes
 * small.
 */
const LARGE_PIPE = 256 * 1024;

/** How many bytes one turn of the event loop reads at most: a fast writer must not block it. */
const TURN = 8 * 1024 * 1024;

/** The two directions of an fd, and a way to end both early. */
export interface FdStreams {
  readonly readable: Deno.SubprocessReadableStream;
  readonly writable: WritableStream<Uint8Array>;
  /** The fd, or −1 once it is closed. */
  readonly fd: number;
  /** Closes both. Pending and later operations fail with BadResource. */
  close(): void;
}

/** A direction that an fd can be open for. */
type Direction = "reading" | "writing";

/** Throws TypeError if an fd of this access mode isn't open for a direction. */
export function checkOpenFor(mode: number, direction: Direction): void {
  if (!isOpenFor(mode, direction)) {
    throw new TypeError(`the descriptor is not open for ${direction}`);
  }
}

function isOpenFor(mode: number, direction: Direction): boolean {
  return mode !== (direction === "reading" ? O_WRONLY : O_RDONLY);
}

/**
 * Makes streams of an fd. The streams own the fd, and close it when both directions have ended.
 *
 * @param keepAlive Whether pending operations keep the program alive. Without this, they do.
 * @param options.endsWithReading Whether the end of reading ends both directions.
 */
export function openStreams(
  given: FdHandle,
  keepAlive?: KeepAlive,
  { endsWithReading = false }: { endsWithReading?: boolean } = {},
): FdStreams {
  const fd = given.use();
  const mode = accessMode(fd);
  const open = new Set((["reading", "writing"] as const).filter((one) => isOpenFor(mode, one)));
  setNonblocking(fd);
  const handle = new FdHandle(given.release(), "stream");
  const fails: Fail[] = [];
  const begin = <T>(direction: Direction, make: Make<T>): T => {
    checkOpenFor(mode, direction);
    const end = () => {
      open.delete(direction);
      if (open.size === 0 || (endsWithReading && direction === "reading")) handle.close();
    };
    const { stream, fail } = make(handle, end, keepAlive);
    fails.push(fail);
    return stream;
  };
  let readable: FdStreams["readable"] | undefined;
  let writable: FdStreams["writable"] | undefined;
  return {
    get readable() {
      return readable ??= begin("reading", makeReadable);
    },
    get writable() {
      return writable ??= begin("writing", makeWritable);
    },
    get fd() {
      return handle.fd;
    },
    close() {
      handle.close();
      fails.forEach((fail) => fail(handle.closedError()));
    },
  };
}

/** Makes a stream fail, also while no read or write is pending. */
type Fail = (reason: Error) => void;

/** Makes one direction of an fd. It calls `end` at its end; the last call closes the fd. */
type Make<T> = (
  handle: FdHandle,
  end: () => void,
  keepAlive?: KeepAlive,
) => { stream: T; fail: Fail };

/** Adds methods that read a stream to its end, as the streams of `Deno.ChildProcess` have. */
function readableAtOnce(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Deno.SubprocessReadableStream {
  return Object.assign(stream, {
    arrayBuffer: async () => exactBuffer(await collect(stream)),
    bytes: () => collect(stream),
    json: async () => JSON.parse(decodeUtf8(await collect(stream))),
    text: async () => decodeUtf8(await collect(stream)),
  });
}

/** A buffer with exactly these bytes. */
function exactBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return (bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice()).buffer;
}

const makeReadable: Make<FdStreams["readable"]> = (handle, end, keepAlive) => {
  const canceled = new AbortController();
  let thisTurn = 0;
  let enlarged = false;

  /** Reads what is available, after waiting for it if necessary. Returns the length. */
  async function read(controller: ReadableByteStreamController): Promise<number> {
    for (;;) {
      if (thisTurn > TURN) {
        thisTurn = 0;
        await new Promise((resolve) => setImmediate(resolve));
        canceled.signal.throwIfAborted();
      }
      const length = tryRead(handle.use(), wanted(controller));
      // A terminal returns EIO once its other end is closed: that is the end of the stream.
      if (length === -Errno.EIO && isNearEnd(handle.use())) return 0;
      if (length !== -Errno.EAGAIN) return check("read", length);
      thisTurn = 0;
      await ready(handle.use(), EPOLLIN, canceled.signal, keepAlive);
    }
  }

  function pass(controller: ReadableByteStreamController, length: number): void {
    thisTurn += length;
    if (length >= CHUNK / 2 && !enlarged) {
      tryEnlargePipe(handle.use(), LARGE_PIPE);
      enlarged = true;
    }
    const view = wanted(controller);
    // A short piece is copied, so that it doesn't keep a large block of memory alive.
    if (length < CHUNK / 2 && view.buffer.byteLength === CHUNK) {
      controller.enqueue(view.slice(0, length));
    } else controller.byobRequest!.respond(length);
  }

  let fail: Fail;
  const source: UnderlyingByteSource = {
    type: "bytes",
    // Allocates memory for readers that bring none. So `byobRequest` is never null here.
    autoAllocateChunkSize: CHUNK,
    start: (controller) => void (fail = (reason) => controller.error(reason)),
    async pull(controller) {
      try {
        const length = await read(controller);
        if (length > 0) return pass(controller, length);
        end();
        controller.close();
        // Returns the unused memory to the reader: the standard requires it.
        controller.byobRequest!.respond(0);
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel(reason) {
      canceled.abort(reason);
      end();
      return settled();
    },
  };
  const stream = new ReadableStream(source, { highWaterMark: 0 });
  return { stream: readableAtOnce(stream), fail: fail! };
};

/**
 * The memory for the next piece. Ask for it anew each time: during a wait another reader can take
 * over. It is always a Uint8Array (the standard), whatever view the reader gave.
 */
function wanted({ byobRequest }: ReadableByteStreamController): Uint8Array<ArrayBuffer> {
  return byobRequest!.view as Uint8Array<ArrayBuffer>;
}

const makeWritable: Make<FdStreams["writable"]> = (handle, end, keepAlive) => {
  let enlarged = false;
  let fail: Fail;
  const stream = new WritableStream<Uint8Array>({
    start: (controller) => void (fail = (reason) => controller.error(reason)),
    async write(chunk, { signal }) {
      try {
        checkInstance("chunk", chunk, "bytes", Uint8Array);
        let events = 0;
        // The type excludes shared memory, but the call accepts it as well.
        for (let rest = chunk as Uint8Array<ArrayBuffer>; rest.length > 0;) {
          const length = tryWrite(handle.use(), rest);
          if (length !== -Errno.EAGAIN) {
            rest = rest.subarray(check("write", length));
          } else if (events & EPOLLHUP) {
            // The other end of the terminal is closed: there will never be room again.
            throw failure("write", Errno.EIO, { [Errno.EIO]: "the other end is closed" });
          } else if (!enlarged) {
            tryEnlargePipe(handle.use(), LARGE_PIPE);
            enlarged = true;
          } else {
            events = await ready(handle.use(), EPOLLOUT, signal, keepAlive);
          }
        }
      } catch (error) {
        end();
        throw error;
      }
    },
    close() {
      try {
        // On a socket, this tells the peer, while our end can still read.
        if (!handle.closed) shutdownSending(handle.use());
      } finally {
        end();
      }
    },
    abort: end,
  });
  return { stream, fail: fail! };
};

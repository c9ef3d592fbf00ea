/**
 * Web streams on an fd.
 *
 * No call on it blocks: the fd is nonblocking, and where a call says EAGAIN the stream waits
 * on the one thread that is parked for all. What is ready is moved at once, straight between
 * the kernel and the bytes that users see. Regular files are always ready.
 *
 * Back-pressure is the kernel's own: nothing is read before somebody asks for it, so that a
 * pipe that nobody reads fills up and holds up its writer.
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

/** How much is read at a time: what a pipe holds by default. */
const CHUNK = 64 * 1024;

/**
 * What a pipe holds once much came through it, so that its two ends need to meet less often.
 * Not more: a user may have 64 MiB in pipes, before the kernel makes all further ones small.
 */
const LARGE_PIPE = 256 * 1024;

/** How much is read in one turn of the event loop, so that a fast writer can't keep it busy. */
const TURN = 8 * 1024 * 1024;

/** The two directions of an fd, and an early end for both. */
export interface FdStreams {
  readonly readable: Deno.SubprocessReadableStream;
  readonly writable: WritableStream<Uint8Array>;
  /** The fd, or −1 once it is closed. */
  readonly fd: number;
  /** What is pending, and what is tried from then on, fails with BadResource. */
  close(): void;
}

/** What an fd can be open for. */
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
 * Makes streams of an fd, which is theirs from then on: closed when both directions ended.
 *
 * @param keepAlive Whether what they wait for keeps the program alive. Without this, it does.
 * @param options.endsWithReading Whether the end of reading is that of both directions.
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

/** Has a stream fail that nobody may be reading from or writing to right now. */
type Fail = (reason: Error) => void;

/** Makes one direction of an fd. What it calls at its end closes the fd, if it is the last. */
type Make<T> = (
  handle: FdHandle,
  end: () => void,
  keepAlive?: KeepAlive,
) => { stream: T; fail: Fail };

/** Makes a stream one that can be read to its end at once, as those of `Deno.ChildProcess` can. */
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

/** Memory with these bytes and no others. */
function exactBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return (bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice()).buffer;
}

const makeReadable: Make<FdStreams["readable"]> = (handle, end, keepAlive) => {
  const canceled = new AbortController();
  let thisTurn = 0;
  let enlarged = false;

  /** Reads what there is once there is something, and returns how much that was. */
  async function read(controller: ReadableByteStreamController): Promise<number> {
    for (;;) {
      if (thisTurn > TURN) {
        thisTurn = 0;
        await new Promise((resolve) => setImmediate(resolve));
        canceled.signal.throwIfAborted();
      }
      const length = tryRead(handle.use(), wanted(controller));
      // What a terminal says once nobody has the other end open.
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
    // A little is copied, so that it doesn't hold memory that was made for much.
    if (length < CHUNK / 2 && view.buffer.byteLength === CHUNK) {
      controller.enqueue(view.slice(0, length));
    } else controller.byobRequest!.respond(length);
  }

  let fail: Fail;
  const source: UnderlyingByteSource = {
    type: "bytes",
    // For readers that bring no memory. So there is some in any case, and one way to read.
    autoAllocateChunkSize: CHUNK,
    start: (controller) => void (fail = (reason) => controller.error(reason)),
    async pull(controller) {
      try {
        const length = await read(controller);
        if (length > 0) return pass(controller, length);
        end();
        controller.close();
        // Gives the memory back.
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
 * The memory for what comes next. It is asked for anew each time: while we wait, readers can take
 * turns. The standard makes it a view of bytes, whatever the reader gave.
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
        // A call takes shared memory just as well.
        for (let rest = chunk as Uint8Array<ArrayBuffer>; rest.length > 0;) {
          const length = tryWrite(handle.use(), rest);
          if (length !== -Errno.EAGAIN) {
            rest = rest.subarray(check("write", length));
          } else if (events & EPOLLHUP) {
            // A terminal that nobody reads any more: there will never be room again.
            throw failure("write", Errno.EIO, { [Errno.EIO]: "nobody has the other end open" });
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
        // The other end of a socket learns of it even while this one still reads.
        if (!handle.closed) shutdownSending(handle.use());
      } finally {
        end();
      }
    },
    abort: end,
  });
  return { stream, fail: fail! };
};

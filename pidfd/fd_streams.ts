/**
 * Web streams on an fd.
 *
 * Pipes, sockets and terminals are served by Deno's event loop, through `node:net`'s Socket:
 * it needs no permission and no thread, keeps back-pressure, and closes the fd when both
 * directions have ended. The module is loaded at first use, because loading takes longer
 * than all the rest of the library.
 *
 * A regular file is always ready, so that reading it directly never waits; Socket refuses it.
 *
 * @module
 */

import { accessMode, close, isRegularFile, O_RDONLY, O_WRONLY, read, write } from "../ffi/files.ts";

/** The two directions of an fd, and an early end for both. */
export interface FdStreams {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
  destroy(): void;
}

const CHUNK = 64 * 1024;

/** Makes streams of an fd and takes it over; where that fails, the fd is the caller's still. */
export function openStreams(fd: number): FdStreams {
  return isRegularFile(fd) ? fileStreams(fd) : socketStreams(fd);
}

function socketStreams(fd: number): FdStreams {
  const { Socket } = process.getBuiltinModule("node:net");
  const { Duplex } = process.getBuiltinModule("node:stream");
  const mode = accessMode(fd);
  const socket = new Socket({
    fd,
    readable: mode !== O_WRONLY,
    writable: mode !== O_RDONLY,
    allowHalfOpen: true,
  });
  const { readable, writable } = Duplex.toWeb(socket);
  return {
    readable: readable as FdStreams["readable"],
    writable: writable as FdStreams["writable"],
    destroy: () => void socket.destroy(),
  };
}

function fileStreams(fd: number): FdStreams {
  let open = true;
  const destroy = () => {
    if (open) close(fd);
    open = false;
  };
  const guard = () => {
    if (!open) throw new Deno.errors.BadResource("the file was closed");
  };
  return {
    readable: new ReadableStream({
      pull(controller) {
        guard();
        const bytes = new Uint8Array(new ArrayBuffer(CHUNK));
        const length = read(fd, bytes);
        if (length > 0) return controller.enqueue(bytes.subarray(0, length));
        destroy();
        controller.close();
      },
      cancel: destroy,
    }),
    writable: new WritableStream({
      write(chunk) {
        guard();
        for (let rest = chunk; rest.length > 0;) rest = rest.subarray(write(fd, rest));
      },
      close: destroy,
      abort: destroy,
    }),
    destroy,
  };
}

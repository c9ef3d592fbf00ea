/**
 * Connecting to a listening UNIX socket without ever blocking (connect(2), unix(7)).
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { type SocketAddress, type SocketType, tryConnect } from "../ffi/sockets.ts";
import type { FdHandle } from "../pidfd/fd_handle.ts";

/** How long to wait before another attempt at a listener whose queue is full, in milliseconds. */
const AGAIN = 5;

/** Resolves once the socket is connected to the address. */
export async function connect(
  handle: FdHandle,
  type: SocketType,
  address: SocketAddress,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    const result = tryConnect(handle.use(), address);
    if (result !== -Errno.EAGAIN) {
      check("connect", result, {
        [Errno.ECONNREFUSED]: `nobody listens at ${address.name}`,
        [Errno.EPROTOTYPE]: `${address.name} is not a ${type} socket`,
        [Errno.ENOENT]: address.name,
        [Errno.EACCES]: address.name,
      });
      return;
    }
    // A full queue of connections is the one thing that epoll can't wait for.
    await pause(AGAIN, signal);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Connecting to a listening UNIX socket without blocking (connect(2), unix(7)).
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { type SocketAddress, type SocketType, tryConnect } from "../ffi/sockets.ts";
import type { FdHandle } from "../pidfd/fd_handle.ts";

/** The delay before the next attempt if the listener's queue is full, in milliseconds. */
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
        [Errno.ECONNREFUSED]: `no process listens at ${address.name}`,
        [Errno.EPROTOTYPE]: `${address.name} is not a ${type} socket`,
        [Errno.ENOENT]: address.name,
        [Errno.EACCES]: address.name,
      });
      return;
    }
    // The listener's queue is full. epoll can't wait for room in it, so try again later.
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

/**
 * A socket that listens, and the file that it is found by.
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { AT_FDCWD, discard, inode, O_PATH, openat, readlinkat, unlink } from "../ffi/files.ts";
import { ready } from "../ffi/readiness.ts";
import { bind, listen, socket, type SocketType, tryAccept } from "../ffi/sockets.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { EPOLLIN } from "../structs/epoll_event.ts";
import { isAbstract, parseAddress } from "./address.ts";

/** How many connections wait to be accepted: the kernel's own limit for most systems. */
const BACKLOG = 4096;

/** A listening socket, which removes the file that it made. */
export class ListeningSocket {
  readonly handle: FdHandle;
  /** The file that was made, wherever this program is when it is removed; for abstract names none. */
  readonly #file?: { readonly path: string; readonly inode: bigint | null };

  constructor(path: string, type: SocketType) {
    const address = parseAddress(path);
    this.handle = new FdHandle(socket(type), "FdListener");
    let hasFile = false;
    try {
      bind(this.handle.use(), address);
      hasFile = !isAbstract(path);
      if (hasFile) this.#file = { path: absolute(path), inode: inodeAt(path) };
      listen(this.handle.use(), BACKLOG);
    } catch (error) {
      this.handle.close();
      if (hasFile) unlink(path);
      throw error;
    }
  }

  /** Closes the socket and removes its file. */
  close(): void {
    if (this.handle.closed) return;
    this.handle.close();
    // Somebody may have removed the file and made another in its place.
    const { path, inode = null } = this.#file ?? {};
    if (path !== undefined && inode !== null && inodeAt(path) === inode) unlink(path);
  }

  /** The fd of the next connection, which the caller owns. */
  async accept(signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      const fd = this.handle.use();
      const connection = tryAccept(fd);
      if (connection === -Errno.EAGAIN) await ready(fd, EPOLLIN, signal);
      // A client that gave up while it was in the queue is no error of the listener's.
      else if (connection !== -Errno.ECONNABORTED) return check("accept4", connection);
    }
  }
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${readlinkat(AT_FDCWD, "/proc/self/cwd")}/${path}`;
}

/** The inode of what is at a path, or null if nothing is. */
function inodeAt(path: string): bigint | null {
  let fd: number;
  try {
    fd = openat(AT_FDCWD, path, O_PATH);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw error;
  }
  try {
    return inode(fd);
  } finally {
    discard(fd);
  }
}

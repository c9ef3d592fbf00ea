/**
 * A listening socket, and its file.
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

/** The length of the queue of connections: the kernel's own limit on most systems. */
const BACKLOG = 4096;

/** A listening socket. It removes its file when it is closed. */
export class ListeningSocket {
  readonly handle: FdHandle;
  /** The socket's file, if any. Its path is absolute, because the working directory can change. */
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
    // Another program may have replaced the file. Remove it only if it is still ours.
    const { path, inode = null } = this.#file ?? {};
    if (path !== undefined && inode !== null && inodeAt(path) === inode) unlink(path);
  }

  /** The fd of the next connection, which the caller owns. */
  async accept(signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      const fd = this.handle.use();
      const connection = tryAccept(fd);
      if (connection === -Errno.EAGAIN) await ready(fd, EPOLLIN, signal);
      // ECONNABORTED: a client gave up while it was in the queue. Go on with the next one.
      else if (connection !== -Errno.ECONNABORTED) return check("accept4", connection);
    }
  }
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${readlinkat(AT_FDCWD, "/proc/self/cwd")}/${path}`;
}

/** The inode number of the file at a path, or null if there is none. */
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

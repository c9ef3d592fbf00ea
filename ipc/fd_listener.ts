/**
 * The listening end of {@linkcode FdSocket}.
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { AT_FDCWD, discard, inode, O_PATH, openat, readlinkat, unlink } from "../ffi/files.ts";
import { ready, unparked } from "../ffi/readiness.ts";
import { bind, listen, socket, type SocketType, tryAccept } from "../ffi/sockets.ts";
import { checkAbortSignal } from "../pidfd/arguments.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { customInspect, show, showFd } from "../pidfd/inspect.ts";
import { EPOLLIN } from "../structs/epoll_event.ts";
import { isAbstract, parseAddress } from "./address.ts";
import type { FdSocket } from "./fd_socket.ts";

/** Options for {@linkcode FdListener.accept}. */
export interface FdListenerAcceptOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How many connections wait to be accepted: the kernel's own limit for most systems. */
const BACKLOG = 4096;

/**
 * A listening UNIX socket, made by {@linkcode FdSocket.listen}: an async iterable of its
 * connections, which ends when the listener is closed.
 *
 * @example
 * ```ts
 * import { FdSocket } from "@pidfd/util";
 *
 * using listener = FdSocket.listen("@example");
 * using client = await FdSocket.connect("@example");
 * using server = await listener.accept();
 * await client.send("hello");
 * console.log(new TextDecoder().decode((await server.receive())!.data)); // hello
 * ```
 */
export class FdListener implements AsyncIterable<FdSocket>, Disposable, AsyncDisposable {
  /** The path, or the abstract name, that it listens at. */
  readonly path: string;
  readonly #handle: FdHandle;
  readonly #wrap: (fd: number) => FdSocket;
  /** The file that was made, wherever this program is when it is removed; for abstract names none. */
  readonly #file?: { readonly path: string; readonly inode: bigint | null };

  /** @ignore Made by {@linkcode FdSocket.listen}. */
  constructor(path: string, type: SocketType, wrap: (fd: number) => FdSocket) {
    const address = parseAddress(path);
    this.path = path;
    this.#wrap = wrap;
    this.#handle = new FdHandle(socket(type), "FdListener");
    let hasFile = false;
    try {
      bind(this.#handle.use(), address);
      hasFile = !isAbstract(path);
      if (hasFile) this.#file = { path: absolute(path), inode: inodeAt(path) };
      listen(this.#handle.use(), BACKLOG);
    } catch (error) {
      this.#handle.close();
      if (hasFile) unlink(path);
      throw error;
    }
  }

  /** The descriptor's number, for calls outside this library; −1 once closed. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** Whether the listener was closed. */
  get closed(): boolean {
    return this.#handle.closed;
  }

  /**
   * Closes the listener, and removes the file that it made. Connections go on. Pending calls
   * reject with `Deno.errors.BadResource`; iterations end.
   */
  close(): void {
    if (this.closed) return;
    this.#handle.close();
    // Somebody may have removed the file and made another in its place.
    const { path, inode = null } = this.#file ?? {};
    if (path !== undefined && inode !== null && inodeAt(path) === inode) unlink(path);
  }

  /** As {@linkcode FdListener.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@linkcode FdListener.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return unparked();
  }

  /**
   * Resolves with the next connection.
   *
   * @throws {Deno.errors.BadResource} If the listener is closed meanwhile.
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  async accept(options: FdListenerAcceptOptions = {}): Promise<FdSocket> {
    const { signal } = options;
    checkAbortSignal("options.signal", signal);
    signal?.throwIfAborted();
    for (;;) {
      const fd = this.#handle.use();
      const connection = tryAccept(fd);
      if (connection === -Errno.EAGAIN) await ready(fd, EPOLLIN, signal);
      // A client that gave up while it was in the queue is no error of the listener's.
      else if (connection !== -Errno.ECONNABORTED) return this.#wrap(check("accept4", connection));
    }
  }

  /** The connections, until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<FdSocket> {
    while (!this.closed) {
      let connection: FdSocket;
      try {
        connection = await this.accept();
      } catch (error) {
        if (this.closed) return;
        throw error;
      }
      yield connection;
    }
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    return show("FdListener", () => ({ path: this.path, ...showFd(this) }), inspect, options);
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

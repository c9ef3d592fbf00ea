/**
 * Sending handles and other descriptors to other processes over a UNIX socket.
 *
 * Both classes are in one file, because each makes instances of the other. Their operations are in
 * files of their own.
 *
 * States of both: **open**, then **closed** for good, by `close`. A stream socket is also closed if
 * a part of a message is lost. Closing makes pending calls reject; later ones throw
 * `Deno.errors.BadResource`.
 *
 * @module
 */

import { accessMode, setCloseOnExec } from "../ffi/files.ts";
import { settled } from "../ffi/readiness.ts";
import {
  peerCredentials,
  socket,
  socketpair,
  type SocketType,
  socketType,
} from "../ffi/sockets.ts";
import {
  checkAbortSignal,
  checkBoolean,
  checkFd,
  checkInstance,
  checkOneOf,
} from "../pidfd/arguments.ts";
import { customInspect, show, showFd } from "../pidfd/inspect.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import { parseAddress } from "./address.ts";
import { connect } from "./connect.ts";
import { Connection } from "./connection.ts";
import { ListeningSocket } from "./listening_socket.ts";
import { type FdMessage, holdFds, NO_CONTROL } from "./message.ts";
import type {
  FdListenerAcceptOptions,
  FdSocketConnectOptions,
  FdSocketOptions,
  FdSocketReceiveOptions,
  FdSocketSendOptions,
} from "./options.ts";
import { openPeer, type PeerCredentials } from "./peer.ts";

const encoder = new TextEncoder();

/**
 * A UNIX socket that carries file descriptors along with data. Use it to pass a handle to another
 * process.
 *
 * @example
 * ```ts
 * import { FdSocket, PidFd } from "@pidfd/util";
 *
 * const [here, there] = FdSocket.pair();
 * using self = PidFd.fromSelf();
 * await here.send("this is me", [self]);
 *
 * const message = await there.receive();
 * const [fd] = message!.fds;
 * using received = PidFd.fromFd(fd.intoFd());
 * console.log(received.equals(self)); // true
 * here.close();
 * there.close();
 * ```
 *
 * See {@link https://man7.org/linux/man-pages/man7/unix.7.html | unix(7)}.
 */
export class FdSocket implements Disposable, AsyncDisposable {
  readonly #connection: Connection;

  /** @ignore Made by the functions below. */
  constructor(fd: number, type: SocketType) {
    this.#connection = new Connection(fd, type);
  }

  /**
   * Two sockets that are connected to each other (socketpair(2)).
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  static pair(options: FdSocketOptions = {}): [FdSocket, FdSocket] {
    const type = checkType(options);
    const [one, other] = socketpair(type);
    return [new FdSocket(one, type), new FdSocket(other, type)];
  }

  /**
   * Connects to a listening socket.
   *
   * @param path The socket's path, of at most 107 bytes; or an abstract name after an "@" or a NUL.
   * @throws {SyscallError} `ENOENT` if the path doesn't exist; `ECONNREFUSED` if it is not a socket
   *   or no process listens; `EPROTOTYPE` if the socket has the other type; `EACCES`.
   * @throws {RangeError} If the path is too long or empty.
   */
  static async connect(path: string, options: FdSocketConnectOptions = {}): Promise<FdSocket> {
    const type = checkType(options);
    const { signal } = options;
    checkAbortSignal("options.signal", signal);
    const address = parseAddress(path);
    signal?.throwIfAborted();
    const connection = new FdSocket(socket(type), type);
    try {
      await connect(connection.#connection.handle, type, address, signal);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Listens for connections.
   *
   * @param path As for {@linkcode FdSocket.connect}. A path must not exist yet. The listener
   *   creates the file, and removes it when it is closed.
   * @throws {SyscallError} `EADDRINUSE` if the path or name exists already; `ENOENT` or `EACCES`
   *   for the folder.
   * @throws {RangeError} If the path is too long or empty.
   */
  static listen(path: string, options: FdSocketOptions = {}): FdListener {
    const type = checkType(options);
    return new FdListener(path, type);
  }

  /**
   * Takes over a connected UNIX socket that was inherited or received. It is made close-on-exec.
   * Nothing else may close it from now on.
   *
   * @throws {TypeError} If it isn't a UNIX socket of one of the two types. It is then left
   *   unchanged.
   * @throws {SyscallError} `EBADF` if there is no such descriptor.
   */
  static fromFd(fd: number): FdSocket {
    checkFd("fd", fd);
    accessMode(fd);
    const type = socketType(fd);
    if (type === null) throw new TypeError(`fd must be a UNIX socket: ${fd} is something else`);
    setCloseOnExec(fd, true);
    return new FdSocket(fd, type);
  }

  /** The descriptor's number, for calls outside this library; −1 once closed. */
  get fd(): number {
    return this.#connection.handle.fd;
  }

  /** Whether the socket was closed or given away. */
  get closed(): boolean {
    return this.#connection.handle.closed;
  }

  /** Closes the socket. Pending calls reject with `Deno.errors.BadResource`. */
  close(): void {
    this.#connection.handle.close();
  }

  /** As {@linkcode FdSocket.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@linkcode FdSocket.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return settled();
  }

  /** Gives the descriptor away: the caller must close it. Pending calls reject. */
  intoFd(): number {
    return this.#connection.handle.release();
  }

  /**
   * Sets or clears close-on-exec (fcntl(2), FD_CLOEXEC). With `false`, programs that this one
   * executes inherit the socket under the same number.
   */
  setCloseOnExec(on: boolean): void {
    this.#connection.handle.setCloseOnExec(on);
  }

  /**
   * Sends data, and duplicates of descriptors with its first byte. Resolves once the kernel has
   * taken all of it. If the receiver is slow, this waits.
   *
   * @param data The bytes; don't change them before the promise settles. A string is sent as UTF-8.
   * @param fds Up to 253 descriptors. The sender keeps its own.
   * @throws {RangeError} If there are too many descriptors, or no data: the receiver could not tell
   *   it from the end. On a `seqpacket` socket, descriptors without data are allowed.
   * @throws {SyscallError} `EPIPE` if the peer is gone; `EMSGSIZE` if a message is larger than the
   *   socket's buffer; `ETOOMANYREFS` if too many sent descriptors are not yet received.
   */
  async send(
    data: Uint8Array<ArrayBuffer> | string,
    fds: readonly (OwnedFd | PidFd | number)[] = [],
    options: FdSocketSendOptions = {},
  ): Promise<void> {
    const { signal } = options;
    checkAbortSignal("options.signal", signal);
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    checkInstance("data", bytes, "bytes", Uint8Array);
    checkInstance("fds", fds, "an array", Array);
    if (bytes.length === 0 && (this.#connection.type === "stream" || fds.length === 0)) {
      throw new RangeError("data must not be empty");
    }
    this.#connection.handle.check();
    signal?.throwIfAborted();
    if (fds.length === 0) return await this.#connection.send(bytes, NO_CONTROL, signal);
    // Send duplicates: the caller may close its own descriptors before they are sent.
    using held = holdFds(fds);
    await this.#connection.send(bytes, held.control, signal);
  }

  /**
   * Resolves with the next message, or with null once the peer has closed its end.
   *
   * On a stream, the message is the data that has arrived, up to 64 KiB. Descriptors come with the
   * first byte of the data that they were sent with, and never with earlier data.
   *
   * If a message's descriptors can't all be received, the message is lost. A stream is then closed,
   * because the receiver can't know what is missing.
   *
   * @throws {SyscallError} `EMFILE` if the program has too few descriptors left: the message is
   *   lost, and the descriptors that arrived are closed. `ECONNRESET` if the peer closed its end
   *   with unread data in it.
   * @throws {UnsupportedError} For `sender` before Linux 6.5.
   */
  async receive(options: FdSocketReceiveOptions = {}): Promise<FdMessage | null> {
    const { signal, sender = false } = options;
    checkAbortSignal("options.signal", signal);
    checkBoolean("options.sender", sender);
    this.#connection.handle.check();
    signal?.throwIfAborted();
    return await this.#connection.receive(sender, signal);
  }

  /**
   * Ends the sending direction (shutdown(2)): after the data sent so far, the peer receives the
   * end. This end can still receive.
   */
  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  /**
   * A handle on the peer: the process that was at the other end when the sockets were connected.
   *
   * Needs Linux 6.5 (SO_PEERPIDFD). Newer kernels, such as 6.18, give a handle even if the process
   * was reaped meanwhile; it tells the exit status.
   *
   * @throws {SyscallError} `ESRCH` or `EINVAL` if the process was reaped, and the kernel gives no
   *   handle on it.
   * @throws {UnsupportedError} Before Linux 6.5.
   */
  peer(): PidFd {
    return openPeer(this.#connection.handle.use());
  }

  /** The credentials of the peer, from the time when the sockets were connected (SO_PEERCRED). */
  peerCredentials(): PeerCredentials {
    return peerCredentials(this.#connection.handle.use());
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    const facts = () => ({ type: this.#connection.type, ...showFd(this) });
    return show("FdSocket", facts, inspect, options);
  }
}

/**
 * A listening UNIX socket, made by {@linkcode FdSocket.listen}. It is an async iterable of its
 * connections, and the iteration ends when the listener is closed.
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
  /** The path or abstract name of the listener. */
  readonly path: string;
  readonly #type: SocketType;
  readonly #socket: ListeningSocket;

  /** @ignore Made by {@linkcode FdSocket.listen}. */
  constructor(path: string, type: SocketType) {
    this.path = path;
    this.#type = type;
    this.#socket = new ListeningSocket(path, type);
  }

  /** The descriptor's number, for calls outside this library; −1 once closed. */
  get fd(): number {
    return this.#socket.handle.fd;
  }

  /** Whether the listener was closed. */
  get closed(): boolean {
    return this.#socket.handle.closed;
  }

  /**
   * Closes the listener, and removes its file. Accepted connections stay open. Pending calls reject
   * with `Deno.errors.BadResource`; iterations end.
   */
  close(): void {
    this.#socket.close();
  }

  /** As {@linkcode FdListener.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@linkcode FdListener.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return settled();
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
    return new FdSocket(await this.#socket.accept(signal), this.#type);
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

function checkType({ type = "stream" }: FdSocketOptions): SocketType {
  checkOneOf("options.type", type, ["stream", "seqpacket"]);
  return type;
}

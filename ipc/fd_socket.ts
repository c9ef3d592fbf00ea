/**
 * Handles and other descriptors, sent from process to process over a UNIX socket.
 *
 * A socket's class makes listeners, and a listener makes sockets: so both stand in one file, and
 * what each does stands in files of its own.
 *
 * States of both: **open**, then **closed** for good, by `close`; a socket also once a part of a
 * stream is lost. Pending calls reject then, and further ones throw `Deno.errors.BadResource`.
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
 * A UNIX socket that carries file descriptors along with data: the way to hand a process's
 * handle to another process.
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
   * @param path The socket's path, of at most 107 bytes, or a name in the abstract namespace
   *   behind an "@" or a NUL.
   * @throws {SyscallError} `ENOENT` if there is nothing at the path; `ECONNREFUSED` if it is no
   *   socket or nobody listens; `EPROTOTYPE` if it is of the other type; `EACCES`.
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
   * @param path As for {@linkcode FdSocket.connect}. A path must not exist yet: its socket is
   *   made, and removed when the listener is closed.
   * @throws {SyscallError} `EADDRINUSE` if it is there already; `ENOENT` or `EACCES` for the
   *   folder.
   * @throws {RangeError} If the path is too long or empty.
   */
  static listen(path: string, options: FdSocketOptions = {}): FdListener {
    const type = checkType(options);
    return new FdListener(path, type);
  }

  /**
   * Takes over a connected UNIX socket that comes from elsewhere: inherited or received. It is
   * made close-on-exec, and nothing else may close it from now on.
   *
   * @throws {TypeError} If it isn't a UNIX socket of one of the two types; it is left as it was.
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

  /** Gives the descriptor away: whoever takes the number closes it. Pending calls reject. */
  intoFd(): number {
    return this.#connection.handle.release();
  }

  /**
   * Whether programs that this one executes get the socket: with `false` they do, under the
   * same number (fcntl(2), FD_CLOEXEC).
   */
  setCloseOnExec(on: boolean): void {
    this.#connection.handle.setCloseOnExec(on);
  }

  /**
   * Sends data, and duplicates of descriptors along with their first byte. Resolves once all
   * of it is on its way; a receiver that is slow makes it wait.
   *
   * @param data The bytes, which must stay as they are until then; a string goes as UTF-8.
   * @param fds Up to 253 descriptors. They stay the sender's.
   * @throws {RangeError} If there are too many descriptors; or no data, except with descriptors
   *   on a `seqpacket` socket: nobody could tell it from the end.
   * @throws {SyscallError} `EPIPE` if the peer is gone; `EMSGSIZE` if a message is larger than
   *   the socket's buffer; `ETOOMANYREFS` if too many descriptors are on their way.
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
    // Held until they are sent: by then the caller may have closed its own.
    using held = holdFds(fds);
    await this.#connection.send(bytes, held.control, signal);
  }

  /**
   * Resolves with the next message, or with null once the peer has closed its end.
   *
   * On a stream this is what has arrived, up to 64 KiB; descriptors come with the first byte
   * of the data that they were sent with, and never with bytes that were sent before.
   *
   * A message is lost if it can't be taken with all that came with it. On a stream that closes
   * the socket, as nobody could tell what is missing.
   *
   * @throws {SyscallError} `EMFILE` if there were no numbers left for all descriptors: the message is
   *   lost, and those that arrived are closed. `ECONNRESET` if the peer is gone with unread data.
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
   * Ends the sending: the peer receives what was sent, and then the end. Receiving goes on
   * (shutdown(2)).
   */
  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  /**
   * A handle on the process at the other end, as it was when the sockets were connected.
   *
   * Needs Linux 6.5 (SO_PEERPIDFD). Newer kernels, such as 6.18, also give a handle on a process
   * that was reaped in the meantime, which knows its status.
   *
   * @throws {SyscallError} `ESRCH` or `EINVAL` if that process was reaped and the kernel gives no
   *   handle on it any more.
   * @throws {UnsupportedError} Before Linux 6.5.
   */
  peer(): PidFd {
    return openPeer(this.#connection.handle.use());
  }

  /** Who is at the other end, as it was when the sockets were connected (SO_PEERCRED). */
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
   * Closes the listener, and removes the file that it made. Connections go on. Pending calls
   * reject with `Deno.errors.BadResource`; iterations end.
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

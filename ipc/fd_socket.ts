/**
 * Handles and other descriptors, sent from process to process over a UNIX socket.
 *
 * Every call is nonblocking; what would wait, waits on the one thread that all waits share.
 * Sends are done one after another in the order of the calls, and receives likewise, so that
 * messages neither mix nor overtake each other.
 *
 * States: **open**, then **closed** for good, by `close` or by an abort in the middle of a
 * message on a stream, behind which nothing else would be understood. Pending calls reject
 * then, and further ones throw `Deno.errors.BadResource`.
 *
 * @module
 */

import { peerPidfds } from "../ffi/capabilities.ts";
import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { accessMode, closeOnError, setCloseOnExec } from "../ffi/files.ts";
import { ready, unparked } from "../ffi/readiness.ts";
import {
  peerCredentials,
  shutdownSending,
  socket,
  socketpair,
  type SocketType,
  socketType,
  tryPassPidfd,
  tryPeekLength,
  tryPeerPidfd,
  trySend,
} from "../ffi/sockets.ts";
import { poll } from "../ffi/syscalls.ts";
import {
  checkAbortSignal,
  checkBoolean,
  checkFd,
  checkInstance,
  checkOneOf,
} from "../pidfd/arguments.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { customInspect, show, showFd } from "../pidfd/inspect.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../structs/epoll_event.ts";
import { parseAddress } from "./address.ts";
import { connect } from "./connect.ts";
import { FdListener } from "./fd_listener.ts";
import { type FdMessage, holdFds, NO_CONTROL, receiveMessage } from "./message.ts";
import { Queue } from "./queue.ts";

/** Options for {@linkcode FdSocket.pair} and {@linkcode FdSocket.listen}. */
export interface FdSocketOptions {
  /**
   * Whether the sockets carry a stream of bytes or keep messages apart (unix(7),
   * SOCK_SEQPACKET): `"stream"` unless told otherwise. Both ends must be of one type.
   */
  type?: "stream" | "seqpacket";
}

/** Options for {@linkcode FdSocket.connect}. */
export interface FdSocketConnectOptions extends FdSocketOptions {
  /** Ends the attempt early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options for {@linkcode FdSocket.send}. */
export interface FdSocketSendOptions {
  /**
   * Ends the attempt early: it rejects with the signal's reason. If a part of the data is on
   * its way already, as it can be on a stream, the socket is closed.
   */
  signal?: AbortSignal;
}

/** Options for {@linkcode FdSocket.receive}. */
export interface FdSocketReceiveOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether to get a handle of the process that sent the message, on the kernel's word; Linux
   * 6.5. The kernel notes it for messages that are sent from the first such call on.
   */
  sender?: boolean;
}

/** Who is at the other end of a socket. */
export interface PeerCredentials {
  /** The PID that it had when the sockets were connected. */
  pid: number;
  /** Its user ID. */
  uid: number;
  /** Its group ID. */
  gid: number;
}

/** How much of a stream one receive takes at most, in bytes. */
const STREAM_CHUNK = 64 * 1024;

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
  readonly #handle: FdHandle;
  readonly #type: SocketType;
  readonly #sends = new Queue();
  readonly #receives = new Queue();
  #namesSender = false;

  private constructor(fd: number, type: SocketType) {
    this.#handle = new FdHandle(fd, "FdSocket");
    this.#type = type;
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
      await connect(connection.#handle, type, address, signal);
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
    return new FdListener(path, type, (fd) => new FdSocket(fd, type));
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
    return this.#handle.fd;
  }

  /** Whether the socket was closed or given away. */
  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Closes the socket. Pending calls reject with `Deno.errors.BadResource`. */
  close(): void {
    this.#handle.close();
  }

  /** As {@linkcode FdSocket.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@linkcode FdSocket.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return unparked();
  }

  /** Gives the descriptor away: whoever takes the number closes it. Pending calls reject. */
  intoFd(): number {
    return this.#handle.release();
  }

  /**
   * Whether programs that this one executes get the socket: with `false` they do, under the
   * same number (fcntl(2), FD_CLOEXEC).
   */
  setCloseOnExec(on: boolean): void {
    this.#handle.setCloseOnExec(on);
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
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    checkInstance("data", bytes, "bytes", Uint8Array);
    if (bytes.length === 0 && (this.#type === "stream" || fds.length === 0)) {
      throw new RangeError("data must not be empty");
    }
    this.#handle.check();
    signal?.throwIfAborted();
    // Held until they are sent: by then the caller may have closed its own.
    using held = holdFds(fds);
    await this.#sends.run(() => this.#sendAll(bytes, held.control, signal), signal);
  }

  /**
   * Resolves with the next message, or with null once the peer has closed its end.
   *
   * On a stream this is what has arrived, up to 64 KiB; descriptors come with the first byte
   * of the data that they were sent with, and never with bytes that were sent before.
   *
   * @throws {SyscallError} `EMFILE` if there were no numbers left for all descriptors: those
   *   that arrived are closed. `ECONNRESET` if the peer is gone with unread data.
   * @throws {UnsupportedError} For `sender` before Linux 6.5.
   */
  async receive(options: FdSocketReceiveOptions = {}): Promise<FdMessage | null> {
    const { signal, sender = false } = options;
    checkAbortSignal("options.signal", signal);
    checkBoolean("options.sender", sender);
    this.#handle.check();
    signal?.throwIfAborted();
    if (sender) peerPidfds.require();
    return await this.#receives.run(() => this.#receiveOne(sender, signal), signal);
  }

  /**
   * Ends the sending: the peer receives what was sent, and then the end. Receiving goes on
   * (shutdown(2)).
   */
  closeWrite(): Promise<void> {
    return this.#sends.run(() => Promise.resolve(shutdownSending(this.#handle.use())));
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
    const fd = this.#handle.use();
    peerPidfds.require();
    const pidfd = check("getsockopt", tryPeerPidfd(fd), {
      [Errno.ESRCH]: "the process at the other end was reaped",
    });
    return closeOnError(pidfd, (pidfd) => PidFd.fromFd(pidfd));
  }

  /** Who is at the other end, as it was when the sockets were connected (SO_PEERCRED). */
  peerCredentials(): PeerCredentials {
    return peerCredentials(this.#handle.use());
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    return show("FdSocket", () => ({ type: this.#type, ...showFd(this) }), inspect, options);
  }

  async #sendAll(
    data: Uint8Array<ArrayBuffer>,
    control: Uint8Array<ArrayBuffer>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let rest = data;
    let along = control;
    try {
      for (;;) {
        const fd = this.#handle.use();
        const sent = trySend(fd, rest, along);
        if (sent === -Errno.EAGAIN) {
          await ready(fd, EPOLLOUT, signal);
          continue;
        }
        rest = rest.subarray(check("sendmsg", sent));
        if (rest.length === 0) return;
        // The descriptors went along with the first byte.
        along = NO_CONTROL;
      }
    } catch (error) {
      if (rest.length < data.length) this.close();
      throw error;
    }
  }

  async #receiveOne(
    sender: boolean,
    signal: AbortSignal | undefined,
  ): Promise<FdMessage | null> {
    this.#nameSender(sender);
    for (;;) {
      const fd = this.#handle.use();
      const room = this.#type === "stream" ? STREAM_CHUNK : tryPeekLength(fd);
      const message = room === -Errno.EAGAIN
        ? null
        : receiveMessage(fd, new Uint8Array(check("recvmsg", room)));
      if (message === null) await ready(fd, EPOLLIN, signal);
      else return this.#isEnd(fd, message) ? null : message;
    }
  }

  /** The end looks like an empty message: only a peer that hung up can mean it. */
  #isEnd(fd: number, { data, fds, sender }: FdMessage): boolean {
    if (data.length > 0 || fds.length > 0 || sender !== null) return false;
    return this.#type === "stream" || poll(fd, EPOLLRDHUP, 0) !== 0;
  }

  #nameSender(on: boolean): void {
    if (on === this.#namesSender) return;
    check("setsockopt", tryPassPidfd(this.#handle.use(), on));
    this.#namesSender = on;
  }
}

function checkType({ type = "stream" }: FdSocketOptions): SocketType {
  checkOneOf("options.type", type, ["stream", "seqpacket"]);
  return type;
}

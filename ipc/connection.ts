/**
 * Sending and receiving messages on a connected socket. Sends run one after another, in the order
 * of the calls; so do receives. So messages neither mix nor overtake each other.
 *
 * Try first, then wait: mostly there is room to send, and one wait often brings several messages.
 *
 * If a part of a message is lost, sent or received, a stream is closed: the receiver could not
 * understand the rest of it.
 *
 * @module
 */

import { peerPidfds } from "../ffi/capabilities.ts";
import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { ready } from "../ffi/readiness.ts";
import { shutdownSending, type SocketType, tryPassPidfd, trySend } from "../ffi/sockets.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { EPOLLIN, EPOLLOUT } from "../structs/epoll_event.ts";
import { type FdMessage, NO_CONTROL, receiveNext, unpack } from "./message.ts";
import { Queue } from "./queue.ts";

/** A socket, with a queue of senders and a queue of receivers. */
export class Connection {
  readonly handle: FdHandle;
  readonly type: SocketType;
  readonly #sends = new Queue();
  readonly #receives = new Queue();
  #namesSender = false;

  /** @param fd Taken over. */
  constructor(fd: number, type: SocketType) {
    this.handle = new FdHandle(fd, "FdSocket");
    this.type = type;
  }

  /** Sends all data. The control messages go with its first byte. */
  async send(
    data: Uint8Array<ArrayBuffer>,
    control: Uint8Array<ArrayBuffer>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!this.#sends.tryEnter()) await this.#sends.enter(signal);
    let rest = data;
    let along = control;
    try {
      signal?.throwIfAborted();
      for (;;) {
        const fd = this.handle.use();
        const sent = trySend(fd, rest, along);
        if (sent === -Errno.EAGAIN) {
          await ready(fd, EPOLLOUT, signal);
          continue;
        }
        check(along.length > 0 ? "sendmsg" : "send", sent);
        if (sent === rest.length) return;
        rest = rest.subarray(sent);
        along = NO_CONTROL;
      }
    } catch (error) {
      if (rest.length < data.length) this.handle.close();
      throw error;
    } finally {
      this.#sends.leave();
    }
  }

  /** Resolves with the next message, or with null at the end. */
  async receive(sender: boolean, signal: AbortSignal | undefined): Promise<FdMessage | null> {
    if (sender) peerPidfds.require();
    if (!this.#receives.tryEnter()) await this.#receives.enter(signal);
    try {
      signal?.throwIfAborted();
      this.#nameSender(sender);
      for (;;) {
        const message = this.#tryReceive();
        if (message !== undefined) return message;
        await ready(this.handle.use(), EPOLLIN, signal);
      }
    } finally {
      this.#receives.leave();
    }
  }

  /** Ends the sending direction, after all earlier sends are done. */
  async closeWrite(): Promise<void> {
    await this.#sends.enter();
    try {
      shutdownSending(this.handle.use());
    } finally {
      this.#sends.leave();
    }
  }

  #tryReceive(): FdMessage | null | undefined {
    const arrived = receiveNext(this.handle.use(), this.type);
    if (arrived === null || arrived === undefined) return arrived;
    try {
      return unpack(arrived);
    } catch (error) {
      if (this.type === "stream") this.handle.close();
      throw error;
    }
  }

  #nameSender(on: boolean): void {
    if (on === this.#namesSender) return;
    check("setsockopt", tryPassPidfd(this.handle.use(), on));
    this.#namesSender = on;
  }
}

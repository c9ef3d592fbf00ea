/**
 * A connected socket as a way for messages: sends are done one after another in the order of the
 * calls, and receives likewise, so that messages neither mix nor overtake each other.
 *
 * Every call is tried before it is waited for: most of the time there is room to send, and what
 * one wait brought is received without another.
 *
 * A stream is closed once a part of a message is lost, sent or received: nothing behind it would be
 * understood.
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

/** A socket, and who has the turn to send and to receive on it. */
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

  /** Sends all of the data, with control messages along with their first byte. */
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

  /** Ends the sending, once all that was asked for before is sent. */
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

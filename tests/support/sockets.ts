/**
 * Sockets for tests, and the places where they are found.
 *
 * @module
 */

import { deadline } from "@std/async";
import { Errno } from "../../ffi/errno.ts";
import { close } from "../../ffi/files.ts";
import { socketpair, trySend } from "../../ffi/sockets.ts";
import { poll } from "../../ffi/syscalls.ts";
import { type FdMessage, FdSocket, OwnedFd } from "../../mod.ts";
import { EPOLLOUT } from "../../structs/epoll_event.ts";
import { PATIENCE } from "./processes.ts";

/** The types of sockets. */
export const TYPES = ["stream", "seqpacket"] as const;

/** How many bytes a socket has room for, less what the kernel takes for itself. */
export const BUFFER = Number(Deno.readTextFileSync("/proc/sys/net/core/wmem_default"));

/** More bytes than a socket has room for, several times over. */
export const LARGE = 10 * BUFFER;

/** Two connected sockets, both closed at the end of the block. */
export class Pair implements Disposable {
  readonly near: FdSocket;
  readonly far: FdSocket;

  constructor(type: typeof TYPES[number] = "stream") {
    [this.near, this.far] = FdSocket.pair({ type });
  }

  [Symbol.dispose](): void {
    this.near.close();
    this.far.close();
  }
}

/** A folder that is removed at the end of the block, with all that is in it. */
export class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync();

  /** The path of a file in it. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A name in the abstract namespace that nobody else has. */
export function abstractName(): string {
  return `@${crypto.randomUUID()}`;
}

/** The bytes of a text. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of a message, or null for the end. */
export function textOf(message: FdMessage | null): string | null {
  return message && new TextDecoder().decode(message.data);
}

/** Bytes that differ from their neighbours near and far, so that none can be lost or swapped. */
export function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 17 + (i >> 16) + seed) & 0xff);
}

/** Receives from a stream until it has so many bytes, or until the end. */
export async function receiveBytes(socket: FdSocket, length = Infinity): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let received = 0;
  while (received < length) {
    const message = await deadline(socket.receive(), PATIENCE);
    if (message === null) break;
    parts.push(message.data);
    received += message.data.length;
  }
  const all = new Uint8Array(received);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Whether a socket takes no more data for now. */
export function isFull(socket: FdSocket): boolean {
  return (poll(socket.fd, EPOLLOUT, 0) & EPOLLOUT) === 0;
}

/** Sends, as another program could, until the socket takes no more; returns how much it took. */
export function fill(socket: FdSocket, chunk = new Uint8Array(4096)): number {
  for (let sent = 0;;) {
    const result = trySend(socket.fd, chunk, new Uint8Array(0));
    if (result === -Errno.EAGAIN) return sent;
    if (result < 0) throw new Error(`sendmsg: errno ${-result}`);
    sent += result;
  }
}

/** Closes all that came with a message. */
export function closeAll(message: FdMessage | null): void {
  message?.fds.forEach((fd) => fd.close());
  message?.sender?.close();
}

/** A descriptor of a socket of its own. */
export function someFd(): OwnedFd {
  const [one, other] = socketpair("stream");
  close(other);
  return new OwnedFd(one);
}

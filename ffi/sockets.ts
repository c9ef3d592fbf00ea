/**
 * The system calls on UNIX sockets (unix(7)). All are nonblocking: a call that would block returns
 * EAGAIN, and the readiness thread waits for the socket.
 *
 * - Linux 6.5: SO_PEERPIDFD, SO_PASSPIDFD, SCM_PIDFD.
 *
 * Data without descriptors is sent by send(2), which needs no struct. Receiving always uses
 * recvmsg(2): recv(2) would silently close descriptors that come with the data.
 *
 * @module
 */

import { EPOLLRDHUP } from "../structs/epoll_event.ts";
import { pipeEnds } from "../structs/pipe.ts";
import { intValue, iovec, msghdr, sockaddrUn, SOL_SOCKET, ucred } from "../structs/socket.ts";
import { attempt, check } from "./call.ts";
import { Errno } from "./errno.ts";
import { addressOf } from "./libc.ts";
import { socketLibc } from "./socket_symbols.ts";
import { poll } from "./syscalls.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_PEEK = 0x2;
const MSG_CTRUNC = 0x8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SO_TYPE = 3;
const SO_PASSCRED = 16;
const SO_PEERCRED = 17;
const SO_PASSPIDFD = 76;
const SO_PEERPIDFD = 77;
const SO_DOMAIN = 39;
const SHUT_WR = 1;

/** How many descriptors one message carries at most (SCM_MAX_FD). */
export const SCM_MAX_FD = 253;

/** A stream of bytes, or separate messages. */
export type SocketType = "stream" | "seqpacket";

const TYPES: Record<SocketType, number> = { stream: SOCK_STREAM, seqpacket: SOCK_SEQPACKET };

/** Two connected sockets. socketpair(2) */
export function socketpair(type: SocketType): [number, number] {
  const { bytes, fields } = pipeEnds.allocate();
  const flags = TYPES[type] | SOCK_NONBLOCK | SOCK_CLOEXEC;
  check("socketpair", attempt(() => socketLibc().socketpair(AF_UNIX, flags, 0, bytes)));
  return [fields.read, fields.write];
}

/** A socket that is not connected yet. socket(2) */
export function socket(type: SocketType): number {
  const flags = TYPES[type] | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return check("socket", attempt(() => socketLibc().socket(AF_UNIX, flags, 0)));
}

/** An address in the form that bind(2) and connect(2) take. */
export interface SocketAddress {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;
  /** The address as text, for error messages. */
  readonly name: string;
}

/** The longest path without its final NUL, or abstract name without its leading NUL, in bytes. */
export const LONGEST_PATH = sockaddrUn.size - sockaddrUn.offsets.sun_path - 1;

/** The address of a path, or of an abstract name that begins with a NUL. unix(7) */
export function socketAddress(path: Uint8Array, name: string): SocketAddress {
  const room = new Uint8Array(LONGEST_PATH + 1);
  room.set(path);
  const bytes = sockaddrUn.encode({ sun_family: AF_UNIX, sun_path: room });
  // The length of a path includes its final NUL. An abstract name has no final NUL.
  const end = path[0] === 0 ? path.length : path.length + 1;
  return { bytes, length: sockaddrUn.offsets.sun_path + end, name };
}

/** Gives a socket its address. bind(2) */
export function bind(fd: number, { bytes, length, name }: SocketAddress): void {
  check("bind", attempt(() => socketLibc().bind(fd, bytes, length)), {
    [Errno.EADDRINUSE]: `${name} exists already`,
    [Errno.ENOENT]: name,
    [Errno.EACCES]: name,
  });
}

/** Lets others connect. listen(2) */
export function listen(fd: number, backlog: number): void {
  check("listen", attempt(() => socketLibc().listen(fd, backlog)));
}

/** Connects a socket; returns 0 or −errno. connect(2) */
export function tryConnect(fd: number, { bytes, length }: SocketAddress): number {
  return attempt(() => socketLibc().connect(fd, bytes, length));
}

/** The next connection, or −errno. accept4(2) */
export function tryAccept(fd: number): number {
  return attempt(() => socketLibc().accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/**
 * Sends as much as the socket takes; returns that length or −errno. send(2), or sendmsg(2) with
 * control messages.
 */
export function trySend(
  fd: number,
  data: Uint8Array<ArrayBuffer>,
  control: Uint8Array<ArrayBuffer> = NOTHING,
): number {
  if (control.length > 0) return trySendMessage(fd, data, control);
  const size = BigInt(data.length);
  return attempt(() => socketLibc().send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

const NOTHING = new Uint8Array(new ArrayBuffer(0));

/** Buffers that a call in progress points to. They stay referenced here until it has returned. */
const pinned = new Set<Uint8Array>();

function trySendMessage(
  fd: number,
  data: Uint8Array<ArrayBuffer>,
  control: Uint8Array<ArrayBuffer>,
): number {
  const vector = iovec.encode({ iov_base: addressOf(data), iov_len: BigInt(data.length) });
  const message = msghdr.encode({
    msg_iov: addressOf(vector),
    msg_iovlen: 1n,
    msg_control: addressOf(control),
    msg_controllen: BigInt(control.length),
  });
  for (const buffer of [data, control, vector]) pinned.add(buffer);
  const result = attempt(() => socketLibc().sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL));
  pinned.clear();
  return result;
}

/**
 * Memory that messages are received into, one after the other. The addresses in its `struct msghdr`
 * are written once. So the memory must neither move nor be freed: no other code gets it before this
 * class gives it up.
 */
export class MessageBuffer {
  readonly #size: number;
  readonly #control: Uint8Array<ArrayBuffer>;
  readonly #controlSize: bigint;
  readonly #vector = iovec.allocate();
  readonly #header = msghdr.allocate();
  /** The memory for data; undefined after `takeData` has given it away. */
  #data: Uint8Array<ArrayBuffer> | undefined;

  /** @param size How many bytes of data a message may have. */
  constructor(size: number, controlSize: number) {
    this.#size = size;
    this.#control = new Uint8Array(new ArrayBuffer(controlSize));
    this.#controlSize = BigInt(controlSize);
    const { fields } = this.#header;
    fields.msg_iov = addressOf(this.#vector.bytes);
    fields.msg_iovlen = 1n;
    fields.msg_control = addressOf(this.#control);
  }

  /** Receives a message; returns its length or −errno. Descriptors are close-on-exec. recvmsg(2) */
  tryReceive(fd: number): number {
    this.#data ??= this.#makeData();
    const { bytes, fields } = this.#header;
    // The kernel has overwritten it with the length of the last message's control data.
    fields.msg_controllen = this.#controlSize;
    return attempt(() => socketLibc().recvmsg(fd, bytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  }

  /** The control messages that came with the last message. */
  get control(): Uint8Array<ArrayBuffer> {
    return this.#control.subarray(0, Number(this.#header.fields.msg_controllen));
  }

  /** Whether descriptors of the last message were lost: no room, or no free numbers. */
  get controlTruncated(): boolean {
    return (this.#header.fields.msg_flags & MSG_CTRUNC) !== 0;
  }

  /** Whether the last message was longer than the buffer, and its rest was lost. */
  get truncated(): boolean {
    return (this.#header.fields.msg_flags & MSG_TRUNC) !== 0;
  }

  /** The last message's data: a copy if it is short, otherwise the memory itself. */
  takeData(length: number): Uint8Array<ArrayBuffer> {
    const data = this.#data!;
    // For larger data, copying takes longer than allocating new memory.
    if (length <= this.#size / 4) return data.slice(0, length);
    this.#data = undefined;
    return data.subarray(0, length);
  }

  #makeData(): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(new ArrayBuffer(this.#size));
    this.#vector.fields.iov_base = addressOf(data);
    this.#vector.fields.iov_len = BigInt(data.length);
    return data;
  }
}

/** A header without memory for data, for peeking at the next message. */
const glance = msghdr.allocate();

/**
 * The length of the next message of a seqpacket socket, without receiving it; null at the end, or
 * −errno. recvmsg(2), MSG_PEEK, MSG_TRUNC
 *
 * A message without data and the end both have length 0. SO_PASSCRED tells them apart: with it
 * every message comes with credentials, also one that was sent earlier, but the end comes with
 * none. There is no room for credentials here, so the kernel sets MSG_CTRUNC. The option is set
 * only for one peek, after the peer has closed its end, so it affects no later message.
 */
export function tryPeekLength(fd: number): number | null {
  const length = tryGlance(fd);
  if (length !== 0 || poll(fd, EPOLLRDHUP, 0) === 0) return length;
  const { result, value: before } = tryGetInt(fd, SO_PASSCRED);
  check("getsockopt", result);
  check("setsockopt", trySetInt(fd, SO_PASSCRED, 1));
  const again = tryGlance(fd);
  const isMessage = (glance.fields.msg_flags & MSG_CTRUNC) !== 0;
  check("setsockopt", trySetInt(fd, SO_PASSCRED, before));
  return again === 0 && !isMessage ? null : again;
}

function tryGlance(fd: number): number {
  const flags = MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC;
  return attempt(() => socketLibc().recvmsg(fd, glance.bytes, flags));
}

/** Ends the sending direction: after all data the peer reads the end. shutdown(2) */
export function shutdownSending(fd: number): void {
  const result = attempt(() => socketLibc().shutdown(fd, SHUT_WR));
  // ENOTCONN: the peer is gone. ENOTSOCK: the fd is not a socket, so only closing it ends it.
  if (result !== -Errno.ENOTCONN && result !== -Errno.ENOTSOCK) check("shutdown", result);
}

/** The type of a UNIX socket; null for any other fd. */
export function socketType(fd: number): SocketType | null {
  const domain = tryGetInt(fd, SO_DOMAIN);
  if (domain.result === -Errno.ENOTSOCK) return null;
  check("getsockopt", domain.result);
  if (domain.value !== AF_UNIX) return null;
  const { result, value } = tryGetInt(fd, SO_TYPE);
  check("getsockopt", result);
  return value === SOCK_STREAM ? "stream" : value === SOCK_SEQPACKET ? "seqpacket" : null;
}

/** The credentials of the peer, from the time when the sockets were connected. SO_PEERCRED */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const block = ucred.allocate();
  check("getsockopt", tryGetOption(fd, SO_PEERCRED, block.bytes));
  const { pid, uid, gid } = block.fields;
  return { pid, uid, gid };
}

/** A pidfd of the process that was the peer at the time of connecting; or −errno. SO_PEERPIDFD */
export function tryPeerPidfd(fd: number): number {
  const { result, value } = tryGetInt(fd, SO_PEERPIDFD);
  return result < 0 ? result : value;
}

/** Sets whether each message comes with a pidfd of its sender; returns 0 or −errno. SO_PASSPIDFD */
export function tryPassPidfd(fd: number, on: boolean): number {
  return trySetInt(fd, SO_PASSPIDFD, on ? 1 : 0);
}

function trySetInt(fd: number, option: number, value: number): number {
  const bytes = intValue.encode({ value });
  return attempt(() => socketLibc().setsockopt(fd, SOL_SOCKET, option, bytes, bytes.length));
}

function tryGetInt(fd: number, option: number): { result: number; value: number } {
  const block = intValue.allocate();
  const result = tryGetOption(fd, option, block.bytes);
  return { result, value: block.fields.value };
}

function tryGetOption(fd: number, option: number, value: Uint8Array<ArrayBuffer>): number {
  const length = intValue.encode({ value: value.length });
  return attempt(() => socketLibc().getsockopt(fd, SOL_SOCKET, option, value, length));
}

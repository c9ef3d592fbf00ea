/**
 * The calls about UNIX sockets (unix(7)), nonblocking all of them: what would have to wait
 * says so, and the readiness thread waits for it.
 *
 * - Linux 6.5: SO_PEERPIDFD, SO_PASSPIDFD, SCM_PIDFD.
 *
 * Data alone are sent by send(2), which needs no struct. They are received by recvmsg(2) all the
 * same: recv(2) closes the descriptors that come with the data, and says nothing.
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

/** The ways to keep messages apart: not at all, or one by one. */
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
  /** For messages. */
  readonly name: string;
}

/** The longest path, less the NUL behind it; or the longest abstract name behind its NUL. */
export const LONGEST_PATH = sockaddrUn.size - sockaddrUn.offsets.sun_path - 1;

/** The address of a path, or of an abstract name that begins with a NUL. unix(7) */
export function socketAddress(path: Uint8Array, name: string): SocketAddress {
  const room = new Uint8Array(LONGEST_PATH + 1);
  room.set(path);
  const bytes = sockaddrUn.encode({ sun_family: AF_UNIX, sun_path: room });
  // A path counts with the NUL behind it, an abstract name without any.
  const end = path[0] === 0 ? path.length : path.length + 1;
  return { bytes, length: sockaddrUn.offsets.sun_path + end, name };
}

/** Gives a socket its address. bind(2) */
export function bind(fd: number, { bytes, length, name }: SocketAddress): void {
  check("bind", attempt(() => socketLibc().bind(fd, bytes, length)), {
    [Errno.EADDRINUSE]: `${name} is there already`,
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
 * Sends what the socket takes; returns how much, or −errno. send(2), or sendmsg(2) if control
 * messages go along.
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

/** What a call in progress points to: buffers that JavaScript itself may not mention any more. */
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
 * Memory that messages are received into, one after the other. The kernel finds all of it by the
 * addresses in one `struct msghdr`, which are written once. So nobody else gets hold of
 * the memory, who could move or free it, before it is given up.
 */
export class MessageBuffer {
  readonly #size: number;
  readonly #control: Uint8Array<ArrayBuffer>;
  readonly #controlSize: bigint;
  readonly #vector = iovec.allocate();
  readonly #header = msghdr.allocate();
  /** The data's memory, made for the next message once the last one took it along. */
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
    // The kernel has overwritten it with the length of what came with the last message.
    fields.msg_controllen = this.#controlSize;
    return attempt(() => socketLibc().recvmsg(fd, bytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  }

  /** The control messages that came with the last message. */
  get control(): Uint8Array<ArrayBuffer> {
    return this.#control.subarray(0, Number(this.#header.fields.msg_controllen));
  }

  /** Whether descriptors of the last message were lost, for want of room or of numbers. */
  get controlTruncated(): boolean {
    return (this.#header.fields.msg_flags & MSG_CTRUNC) !== 0;
  }

  /** Whether the last message was longer than the buffer, and its rest was lost. */
  get truncated(): boolean {
    return (this.#header.fields.msg_flags & MSG_TRUNC) !== 0;
  }

  /** The last message's data: a copy if they are short, else the memory itself. */
  takeData(length: number): Uint8Array<ArrayBuffer> {
    const data = this.#data!;
    // From about there on it takes longer to copy the data than to make new memory.
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

/** A header without any memory behind it: for a look at the next message. */
const glance = msghdr.allocate();

/**
 * How long the next message of a seqpacket socket is, without taking it; null at the end, or
 * −errno. recvmsg(2), MSG_PEEK, MSG_TRUNC
 *
 * A message without data and the end are both 0 bytes long. With SO_PASSCRED every message brings
 * its sender's credentials, also one that was sent before, and the end brings none. As
 * there is no room for them, MSG_CTRUNC tells. The option is on for one look, after the peer has hung
 * up, so that it changes no message.
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

/** Ends the sending half: the peer reads to the end. shutdown(2) */
export function shutdownSending(fd: number): void {
  const result = attempt(() => socketLibc().shutdown(fd, SHUT_WR));
  // A peer that is gone needs no end, and what is no socket has none of its own.
  if (result !== -Errno.ENOTCONN && result !== -Errno.ENOTSOCK) check("shutdown", result);
}

/** Whether an fd is a UNIX socket, and of which type; null for any other. */
export function socketType(fd: number): SocketType | null {
  const domain = tryGetInt(fd, SO_DOMAIN);
  if (domain.result === -Errno.ENOTSOCK) return null;
  check("getsockopt", domain.result);
  if (domain.value !== AF_UNIX) return null;
  const { result, value } = tryGetInt(fd, SO_TYPE);
  check("getsockopt", result);
  return value === SOCK_STREAM ? "stream" : value === SOCK_SEQPACKET ? "seqpacket" : null;
}

/** Who was at the other end when the sockets were connected. SO_PEERCRED */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const block = ucred.allocate();
  check("getsockopt", tryGetOption(fd, SO_PEERCRED, block.bytes));
  const { pid, uid, gid } = block.fields;
  return { pid, uid, gid };
}

/** A pidfd of who was at the other end, or −errno. SO_PEERPIDFD */
export function tryPeerPidfd(fd: number): number {
  const { result, value } = tryGetInt(fd, SO_PEERPIDFD);
  return result < 0 ? result : value;
}

/** Whether each message brings a pidfd of its sender along; returns 0 or −errno. SO_PASSPIDFD */
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

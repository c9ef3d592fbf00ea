/**
 * The calls about UNIX sockets (unix(7)), nonblocking all of them: what would have to wait
 * says so, and the readiness thread waits for it.
 *
 * - Linux 6.5: SO_PEERPIDFD, SO_PASSPIDFD, SCM_PIDFD.
 *
 * @module
 */

import { pipeEnds } from "../structs/pipe.ts";
import { intValue, iovec, msghdr, sockaddrUn, SOL_SOCKET, ucred } from "../structs/socket.ts";
import { attempt, check } from "./call.ts";
import { Errno } from "./errno.ts";
import { addressOf } from "./libc.ts";
import { socketLibc } from "./socket_symbols.ts";

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

/** What the kernel said of a message that it delivered. */
export interface Received {
  /** How many bytes, or −errno. */
  readonly result: number;
  /** How long the control messages are. */
  readonly controlLength: number;
  /** Descriptors were lost, for want of room or of numbers for them. */
  readonly controlTruncated: boolean;
}

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

/** Sends what the socket takes, with control messages; returns how much, or −errno. sendmsg(2) */
export function trySend(
  fd: number,
  data: Uint8Array<ArrayBuffer>,
  control: Uint8Array<ArrayBuffer>,
): number {
  return withMessage(
    data,
    control,
    (message) => attempt(() => socketLibc().sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL)),
  ).result;
}

/** Receives one message; its descriptors are close-on-exec. recvmsg(2) */
export function tryReceive(
  fd: number,
  data: Uint8Array<ArrayBuffer>,
  control: Uint8Array<ArrayBuffer>,
): Received {
  const { result, header } = withMessage(
    data,
    control,
    (message) => attempt(() => socketLibc().recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)),
  );
  return {
    result,
    controlLength: result < 0 ? 0 : Number(header.msg_controllen),
    controlTruncated: result >= 0 && (header.msg_flags & MSG_CTRUNC) !== 0,
  };
}

/** How long the next message is, without taking it; or −errno. recv(2), MSG_TRUNC */
export function tryPeekLength(fd: number): number {
  return withMessage(
    NOTHING,
    NOTHING,
    (message) =>
      attempt(() => socketLibc().recvmsg(fd, message, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC)),
  ).result;
}

const NOTHING = new Uint8Array(new ArrayBuffer(0));

type MessageHeader = ReturnType<typeof msghdr.allocate>["fields"];

/** What a call in progress points to: buffers that JavaScript itself may not mention any more. */
const pinned = new Set<Uint8Array>();

function withMessage(
  data: Uint8Array<ArrayBuffer>,
  control: Uint8Array<ArrayBuffer>,
  call: (message: Uint8Array<ArrayBuffer>) => number,
): { result: number; header: MessageHeader } {
  const vector = iovec.encode({
    iov_base: addressOf(data),
    iov_len: BigInt(data.length),
  });
  const message = msghdr.allocate();
  message.fields.msg_iov = addressOf(vector);
  message.fields.msg_iovlen = 1n;
  message.fields.msg_control = addressOf(control);
  message.fields.msg_controllen = BigInt(control.length);
  for (const buffer of [data, control, vector]) pinned.add(buffer);
  const result = call(message.bytes);
  pinned.clear();
  return { result, header: message.fields };
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
  const value = intValue.encode({ value: on ? 1 : 0 });
  return attempt(() => socketLibc().setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, value, value.length));
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

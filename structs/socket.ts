/**
 * The structs of socket calls: `struct msghdr`, and the control messages in it (sendmsg(2),
 * cmsg(3), unix(7), `<linux/socket.h>`).
 *
 * @module
 */

import { struct } from "./codec.ts";
import { bytes, i32, u16, u32, u64 } from "./scalars.ts";

/** `struct iovec`: one block of data. */
export const iovec = struct("iovec", { iov_base: u64, iov_len: u64 });

export const msghdr = struct("msghdr", {
  msg_name: u64,
  msg_namelen: u32,
  msg_iov: u64,
  msg_iovlen: u64,
  msg_control: u64,
  msg_controllen: u64,
  msg_flags: i32,
});

/** The head of a control message; its data follows. */
export const cmsghdr = struct("cmsghdr", { cmsg_len: u64, cmsg_level: i32, cmsg_type: i32 });

/** `struct ucred`: the credentials of the peer. */
export const ucred = struct("ucred", { pid: i32, uid: u32, gid: u32 });

/** `struct sockaddr_un`. Calls take its used length as a separate argument. */
export const sockaddrUn = struct("sockaddr_un", { sun_family: u16, sun_path: bytes(108) });

/** A single `int`, for socket options and SCM_PIDFD. */
export const intValue = struct("int", { value: i32 });

/** The level of options and control messages that all sockets have. */
export const SOL_SOCKET = 1;
/** A control message with file descriptors. */
export const SCM_RIGHTS = 1;
/** A control message with a pidfd of the sender (Linux 6.5). */
export const SCM_PIDFD = 4;

/** One control message. */
export interface ControlMessage {
  level: number;
  type: number;
  data: Uint8Array;
}

/** Control messages start at multiples of a pointer's size: CMSG_ALIGN. */
const ALIGN = u64.size;

/** The room that control messages with data of these lengths need: CMSG_SPACE. */
export function controlSpace(...lengths: number[]): number {
  return lengths.reduce((space, length) => space + cmsghdr.size + roundUp(length), 0);
}

/** Encodes control messages, one behind the other. */
export function encodeControl(messages: readonly ControlMessage[]): Uint8Array<ArrayBuffer> {
  const space = controlSpace(...messages.map(({ data }) => data.length));
  const buffer = new Uint8Array(new ArrayBuffer(space));
  let at = 0;
  for (const { level, type, data } of messages) {
    const length = cmsghdr.size + data.length;
    buffer.set(
      cmsghdr.encode({ cmsg_len: BigInt(length), cmsg_level: level, cmsg_type: type }),
      at,
    );
    buffer.set(data, at + cmsghdr.size);
    at += roundUp(length);
  }
  return buffer;
}

/** Decodes control messages. The last one may be truncated. */
export function decodeControl(buffer: Uint8Array): ControlMessage[] {
  const messages: ControlMessage[] = [];
  for (let at = 0; at + cmsghdr.size <= buffer.length;) {
    const head = cmsghdr.decode(buffer.subarray(at, at + cmsghdr.size));
    const length = Number(head.cmsg_len);
    if (length < cmsghdr.size) throw new RangeError(`cmsghdr.cmsg_len: ${length} at ${at}`);
    const end = Math.min(at + length, buffer.length);
    messages.push({
      level: head.cmsg_level,
      type: head.cmsg_type,
      data: buffer.slice(at + cmsghdr.size, end),
    });
    at += roundUp(length);
  }
  return messages;
}

function roundUp(length: number): number {
  return Math.ceil(length / ALIGN) * ALIGN;
}

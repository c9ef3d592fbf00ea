/**
 * The parts of a message beside its data: file descriptors, and a pidfd of the sender from the
 * kernel. Received descriptors get an owner at once, so that any later error closes them.
 *
 * @module
 */

import { check, failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { closeOnError, discard, duplicate } from "../ffi/files.ts";
import { MessageBuffer, SCM_MAX_FD, type SocketType, tryPeekLength } from "../ffi/sockets.ts";
import { checkInstance } from "../pidfd/arguments.ts";
import { fdNumber } from "../pidfd/fd_number.ts";
import { type OwnedFd, ownFd } from "../pidfd/owned_fd.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import {
  type ControlMessage,
  controlSpace,
  decodeControl,
  encodeControl,
  intValue,
  SCM_PIDFD,
  SCM_RIGHTS,
  SOL_SOCKET,
  ucred,
} from "../structs/socket.ts";

/** A message from {@linkcode FdSocket.receive}. */
export interface FdMessage {
  /** The bytes: of a stream, the data that had arrived; of a `seqpacket` socket, one message. */
  data: Uint8Array<ArrayBuffer>;
  /** The descriptors that came with it, close-on-exec. The receiver closes them. */
  fds: OwnedFd[];
  /** The process that sent it; null if it was not requested or the kernel couldn't tell. */
  sender: PidFd | null;
}

/** Room for the control data of one message: descriptors, credentials and a pidfd. */
const CONTROL_SPACE = controlSpace(SCM_MAX_FD * intValue.size, ucred.size, intValue.size);

/** The most bytes of a stream that one receive takes. Longer messages get their own memory. */
const ROOM = 64 * 1024;

/** The memory for received messages. Synchronous calls can't overlap, so one serves all sockets. */
let shared: MessageBuffer | undefined;

/** No control messages. */
export const NO_CONTROL = encodeControl([]);

/** Duplicates of descriptors, held until they are sent. */
export interface HeldFds extends Disposable {
  /** The control message that sends them. */
  readonly control: Uint8Array<ArrayBuffer>;
}

/** Duplicates descriptors for sending. Closing the originals then doesn't affect the message. */
export function holdFds(fds: readonly (OwnedFd | PidFd | number)[]): HeldFds {
  checkInstance("fds", fds, "an array", Array);
  if (fds.length > SCM_MAX_FD) {
    throw new RangeError(`fds must be at most ${SCM_MAX_FD} descriptors: ${fds.length}`);
  }
  const numbers = fds.map((value, i) => fdNumber(`fds[${i}]`, value));
  if (numbers.length === 0) return { control: NO_CONTROL, [Symbol.dispose]() {} };
  const held: number[] = [];
  const release = () => held.splice(0).forEach(discard);
  try {
    for (const fd of numbers) held.push(duplicate(fd));
  } catch (error) {
    release();
    throw error;
  }
  const data = new Uint8Array(held.length * intValue.size);
  held.forEach((value, i) => data.set(intValue.encode({ value }), i * intValue.size));
  const control = encodeControl([{ level: SOL_SOCKET, type: SCM_RIGHTS, data }]);
  return { control, [Symbol.dispose]: release };
}

/** A received message. It stays in the buffer until the next one arrives. */
export interface Arrived {
  readonly buffer: MessageBuffer;
  readonly length: number;
  readonly type: SocketType;
}

/** Receives the next message of a socket: undefined if there is none yet, null at the end. */
export function receiveNext(fd: number, type: SocketType): Arrived | null | undefined {
  const room = type === "stream" ? ROOM : tryPeekLength(fd);
  if (room === -Errno.EAGAIN) return undefined;
  if (room === null) return null;
  const buffer = check("recvmsg", room) > ROOM
    ? new MessageBuffer(room, CONTROL_SPACE)
    : shared ??= new MessageBuffer(ROOM, CONTROL_SPACE);
  const length = buffer.tryReceive(fd);
  if (length === -Errno.EAGAIN) return undefined;
  check("recvmsg", length);
  return length === 0 && type === "stream" ? null : { buffer, length, type };
}

/**
 * Takes a message with its descriptors out of the buffer. If this fails, the message is lost.
 *
 * @throws {SyscallError} `EMFILE` if the program has too few descriptors left for those of the
 *   message.
 */
export function unpack({ buffer, length, type }: Arrived): FdMessage {
  const { control } = buffer;
  const beside = control.length === 0 ? { fds: [], sender: null } : takeFds(decodeControl(control));
  if (buffer.controlTruncated) {
    drop(beside);
    throw failure("recvmsg", Errno.EMFILE, { [Errno.EMFILE]: lost(length, type) });
  }
  if (buffer.truncated) {
    drop(beside);
    throw failure("recvmsg", Errno.EMSGSIZE, { [Errno.EMSGSIZE]: OVERTAKEN });
  }
  return { data: buffer.takeData(length), ...beside };
}

/** Takes over every descriptor in the control messages. */
function takeFds(messages: ControlMessage[]): Pick<FdMessage, "fds" | "sender"> {
  const fds: OwnedFd[] = [];
  let pidfd: number | undefined;
  for (const { level, type, data } of messages) {
    if (level !== SOL_SOCKET) continue;
    const numbers = ints(data);
    if (type === SCM_RIGHTS) fds.push(...numbers.map(ownFd));
    // A negative number is an error: the kernel could not make a pidfd.
    if (type === SCM_PIDFD && numbers[0] >= 0) [pidfd] = numbers;
  }
  try {
    const sender = pidfd === undefined ? null : closeOnError(pidfd, (fd) => PidFd.fromFd(fd));
    return { fds, sender };
  } catch (error) {
    drop({ fds, sender: null });
    throw error;
  }
}

function ints(data: Uint8Array): number[] {
  const count = Math.floor(data.length / intValue.size);
  return Array.from(
    { length: count },
    (_, i) => intValue.decode(data.subarray(i * intValue.size, (i + 1) * intValue.size)).value,
  );
}

function drop({ fds, sender }: Pick<FdMessage, "fds" | "sender">): void {
  for (const fd of fds) fd.close();
  sender?.close();
}

/** The message for lost descriptors. The buffer has room for all, so only free numbers can lack. */
function lost(length: number, type: SocketType): string {
  const closed = type === "stream"
    ? "those that arrived are closed, and so is the socket, as a part of the stream is missing"
    : "those that arrived are closed";
  return `descriptors were lost with ${length} bytes; ${closed}`;
}

const OVERTAKEN = "another program that has this socket received the message that was awaited; " +
  "the next one was longer, and its rest is lost";

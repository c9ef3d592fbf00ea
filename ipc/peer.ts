/**
 * The peer of a socket: the process that connected, listened or made the pair, at that time.
 *
 * @module
 */

import { peerPidfds } from "../ffi/capabilities.ts";
import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { closeOnError } from "../ffi/files.ts";
import { tryPeerPidfd } from "../ffi/sockets.ts";
import { PidFd } from "../pidfd/pidfd.ts";

/** The credentials of the process at the other end, when the sockets were connected. */
export interface PeerCredentials {
  /** Its PID. */
  pid: number;
  /** Its user ID. */
  uid: number;
  /** Its group ID. */
  gid: number;
}

/** A handle on the process at the other end. */
export function openPeer(fd: number): PidFd {
  peerPidfds.require();
  const pidfd = check("getsockopt", tryPeerPidfd(fd), {
    [Errno.ESRCH]: "the process at the other end was reaped",
  });
  return closeOnError(pidfd, (pidfd) => PidFd.fromFd(pidfd));
}

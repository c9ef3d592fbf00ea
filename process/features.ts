/**
 * What the running system offers, for programs that want to know before they try.
 *
 * @module
 */

import {
  cgroupSpawn,
  coredumpInfo,
  coredumpSignal,
  exitInfo,
  getfdCall,
  idHandles,
  infoIoctl,
  killOnCloseSpawn,
  namespaceIds,
  namespaceIoctls,
  peerPidfds,
  pidfdOpenCall,
  pidfsIds,
  pidTranslation,
  setnsPidfd,
  signalScopes,
  threadPidfds,
  userNamespaces,
  waitidCall,
} from "../ffi/capabilities.ts";
import { openAll } from "../ffi/libc.ts";
import { containmentKind } from "./containment.ts";

/**
 * What the running kernel offers and the sandbox around the program lets through. Where a
 * feature is missing, most operations still work by other means; each property tells which.
 */
export interface Features {
  /** pidfds at all: Linux 5.3. Without, nothing works. */
  pidfdOpen: boolean;
  /** `waitid(P_PIDFD)`: Linux 5.4. Without, no waiting for a child's status. */
  waitid: boolean;
  /** `pidfd_getfd`: Linux 5.6. Without, no `getRemoteFd`. */
  getfd: boolean;
  /** `setns` with a pidfd: Linux 5.8. Without, `setNamespace` enters one kind after another. */
  setns: boolean;
  /** Handles on single threads: Linux 6.9. Without, no `fromPid(pid, { thread: true })`. */
  threads: boolean;
  /**
   * Signals to one thread or a process group: Linux 6.9. Without, `sendSignal` has no `target`
   * but `"process"`.
   */
  signalScopes: boolean;
  /** An id for every process: Linux 6.9. Without, no `getId` and no `fromPid(pid, { id })`. */
  ids: boolean;
  /** Namespaces by ioctl: Linux 6.11. Without, they are opened under /proc. */
  namespaceIoctls: boolean;
  /**
   * PIDs of other PID namespaces: Linux 6.11. Without, `fromPid(pid, { namespace })` looks through
   * /proc, and finds no single threads.
   */
  pidTranslation: boolean;
  /** PIDFD_GET_INFO: Linux 6.13. Without, `getInfo` and its kin read /proc. */
  info: boolean;
  /**
   * The exit status of any process that was reaped: Linux 6.15. Without, only a child's
   * status can be known. On 6.13 to 6.15 `null` until a reaped process has told.
   */
  exitInfo: boolean | null;
  /** Core dumps of processes that are still there: Linux 6.16. Without, `coreDump` is null. */
  coredumpInfo: boolean;
  /** … and the signal that they are for: Linux 6.19. Without, its `signalNumber` is null. */
  coredumpSignal: boolean;
  /** An id for every namespace: Linux 6.18. Without, no `OwnedFd.namespaceId`. */
  namespaceIds: boolean;
  /** Processes found by their ids: Linux 6.14. Without, no `fromId`. */
  idHandles: boolean;
  /** A socket's peer as a pidfd: Linux 6.5. Without, no `FdSocket.peer` and no `sender`. */
  peerPidfds: boolean;
  /**
   * Processes that are born into a cgroup: Linux 5.7. Without, the child moves there first.
   */
  cgroupSpawn: boolean;
  /**
   * Children that the kernel kills when their last handle is closed: Linux 7.1. Without, no
   * `killOnClose`; `parentDeathSignal` works.
   */
  killOnClose: boolean;
  /**
   * User namespaces for this program: Linux 3.8, if no setting forbids them. Without, no `unshare`
   * with `"user"`, and so none at all for a program without CAP_SYS_ADMIN.
   */
  userNamespaces: boolean;
  /**
   * By which means `contain` holds a child together with all that it starts: a cgroup of its own,
   * or a mark that all of them have (see {@linkcode SpawnOptions.contain}). False: by none.
   */
  containment: "cgroup" | "mark" | false;
}

/**
 * Finds out what the running system offers, by trying it on the program itself. The answer
 * is remembered: asking again costs nothing. On another system than Linux nothing is offered.
 *
 * It also opens every function of libc that the module can call, some 10 ms of work that otherwise
 * comes bit by bit. A test runner that looks for resources that stay open (`deno test --sanitize-resources`)
 * takes each opening for a leak: call this before the first test.
 *
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`.
 *
 * @example
 * ```ts
 * import { features } from "@pidfd/util";
 *
 * if (features().ids) console.log("PID files can hold ids here");
 * ```
 */
export function features(): Features {
  const found = {
    pidfdOpen: pidfdOpenCall.available,
    waitid: waitidCall.available,
    getfd: getfdCall.available,
    setns: setnsPidfd.available,
    threads: threadPidfds.available,
    signalScopes: signalScopes.available,
    ids: pidfsIds.available,
    namespaceIoctls: namespaceIoctls.available,
    pidTranslation: pidTranslation.available,
    info: infoIoctl.available,
    exitInfo: exitInfo.available ?? null,
    coredumpInfo: coredumpInfo.available,
    coredumpSignal: coredumpSignal.available,
    namespaceIds: namespaceIds.available,
    idHandles: idHandles.available,
    peerPidfds: peerPidfds.available,
    cgroupSpawn: cgroupSpawn.available,
    killOnClose: killOnCloseSpawn.available,
    userNamespaces: userNamespaces.available,
    containment: containmentKind(),
  };
  if (found.pidfdOpen) openAll();
  return found;
}

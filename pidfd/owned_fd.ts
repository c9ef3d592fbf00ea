/**
 * A file descriptor that a program owns: what `getNamespace` and `getRemoteFd` give, and
 * what is received from other processes.
 *
 * States: **open**, then **closed** for good, by `close`, by `intoFd`, or by the first use
 * of `readable` or `writable`, which own the fd from then on. A closed handle has no number;
 * all its methods but `close` throw `Deno.errors.BadResource`.
 *
 * @module
 */

import { accessMode } from "../ffi/files.ts";
import type { KeepAlive } from "../ffi/readiness.ts";
import { pidfdGetfd } from "../ffi/syscalls.ts";
import { checkFd } from "./arguments.ts";
import { FdHandle } from "./fd_handle.ts";
import { checkOpenFor, type FdStreams, openStreams } from "./fd_streams.ts";

/** Has the streams of a descriptor keep the program alive only as long as this does. */
export let shareKeepAlive: (owned: OwnedFd, keepAlive: KeepAlive) => void;

/**
 * A file descriptor with one owner, close-on-exec unless told otherwise. It is closed once:
 * by {@linkcode OwnedFd.close}, at the end of a `using` block, or when it is garbage.
 *
 * @example
 * ```ts
 * import { PidFd } from "@pidfd/util";
 *
 * using self = PidFd.fromSelf();
 * using net = self.getNamespace("net");
 * console.log("net namespace", net.inode());
 * ```
 */
export class OwnedFd implements Disposable {
  readonly #handle: FdHandle;
  #streams: FdStreams | undefined;
  #keepAlive: KeepAlive | undefined;

  static {
    shareKeepAlive = (owned, keepAlive) => owned.#keepAlive = keepAlive;
  }

  /**
   * Takes over a file descriptor: nothing else may close it from now on.
   *
   * @param fd The descriptor's number.
   * @throws {RangeError} If it is not an integer in 0…2^31−1.
   */
  constructor(fd: number) {
    checkFd("fd", fd);
    this.#handle = new FdHandle(fd, "OwnedFd");
  }

  /** The descriptor's number, for calls outside this library; −1 once closed. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** Whether the descriptor was closed or given away. */
  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Closes the descriptor, or ends the streams that own it. A second call does nothing. */
  close(): void {
    this.#streams?.close();
    this.#handle.close();
  }

  /** As {@linkcode OwnedFd.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A second descriptor of the same open file, close-on-exec, with an owner of its own
   * (fcntl(2), F_DUPFD_CLOEXEC).
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  clone(): OwnedFd {
    return new OwnedFd(this.#handle.clone().release());
  }

  /** Gives the descriptor away: whoever takes the number closes it. */
  intoFd(): number {
    return this.#handle.release();
  }

  /**
   * Whether programs that this one executes get the descriptor: with `false` they do, under
   * the same number (fcntl(2), FD_CLOEXEC).
   */
  setCloseOnExec(on: boolean): void {
    this.#handle.setCloseOnExec(on);
  }

  /** The inode number of the file: two namespaces are the same if their inodes are. */
  inode(): bigint {
    return this.#handle.inode();
  }

  /**
   * What can be read from the descriptor, as a stream. The descriptor belongs to `readable`
   * and `writable` from the first use of either: it is closed when both have ended, or by
   * {@linkcode OwnedFd.close}.
   *
   * It is switched to nonblocking mode, which everyone sees who shares the open file.
   *
   * @throws {TypeError} If the descriptor is not open for reading.
   */
  get readable(): Deno.SubprocessReadableStream {
    return this.#open("reading").readable;
  }

  /**
   * Where to write to the descriptor, as a stream; see {@linkcode OwnedFd.readable}. Closing
   * the stream closes a pipe's end.
   *
   * @throws {TypeError} If the descriptor is not open for writing.
   */
  get writable(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#open("writing").writable;
  }

  #open(direction: "reading" | "writing"): FdStreams {
    if (this.#streams === undefined) {
      checkOpenFor(accessMode(this.#handle.use()), direction);
      this.#streams = openStreams(this.#handle, this.#keepAlive);
    }
    return this.#streams;
  }
}

/** A duplicate of a descriptor that another process has open. */
export function openRemoteFd(handle: FdHandle, targetFd: number): OwnedFd {
  checkFd("targetFd", targetFd);
  return new OwnedFd(pidfdGetfd(handle.use(), targetFd));
}

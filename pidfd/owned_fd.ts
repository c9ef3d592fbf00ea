/**
 * A file descriptor that a program owns: from `open`, `pipe`, `getNamespace` or `getRemoteFd`, or
 * received from another process.
 *
 * States: **open**, then **closed** for good. `close` and `intoFd` close the handle. So does the
 * first use of `readable` or `writable`: the streams own the fd from then on. A closed handle has
 * no number; all its methods but `close` throw `Deno.errors.BadResource`.
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { namespaceIds } from "../ffi/capabilities.ts";
import { Errno } from "../ffi/errno.ts";
import { accessMode, pipe, setCloseOnExec } from "../ffi/files.ts";
import { getNamespaceId } from "../ffi/namespaces.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { pidfdGetfd } from "../ffi/syscalls.ts";
import { checkFd } from "./arguments.ts";
import { FdHandle } from "./fd_handle.ts";
import { checkOpenFor, type FdStreams, openStreams } from "./fd_streams.ts";
import { customInspect, show, showFile } from "./inspect.ts";
import { openFile } from "./open_file.ts";

/** Takes over an fd that the library itself opened. It is close-on-exec and needs no checks. */
export let ownFd: (fd: number) => OwnedFd;

/** The class's name in messages. */
const HOLDER = "OwnedFd";

/** Lets `keepAlive` decide whether the streams of a descriptor keep the program alive. */
export let shareKeepAlive: (owned: OwnedFd, keepAlive: KeepAlive) => void;

/**
 * A file descriptor with one owner; close-on-exec by default. It is closed once: by
 * {@linkcode OwnedFd.close}, at the end of a `using` block, or by garbage collection.
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
   * Takes over a file descriptor: nothing else may close it from now on. It is made
   * close-on-exec.
   *
   * @param fd The descriptor's number.
   * @throws {RangeError} If it is not an integer in 0…2^31−1.
   * @throws {SyscallError} `EBADF` if no such descriptor is open.
   */
  constructor(fd: number);
  constructor(fd: number | FdHandle) {
    this.#handle = fd instanceof FdHandle ? fd : new FdHandle(adopt(fd), HOLDER);
  }

  static {
    const Owned: new (handle: FdHandle) => OwnedFd = OwnedFd as never;
    ownFd = (fd) => new Owned(new FdHandle(fd, HOLDER));
  }

  /**
   * Opens a file, with the options of `Deno.openSync`; by default for reading. Use the result where
   * a descriptor is expected, such as a child's `stdout`. (A `Deno.FsFile` does not reveal its
   * descriptor.) `--allow-ffi` is enough: `--allow-read` and `--allow-write` are not needed.
   *
   * Blocks as long as the kernel does: for example on a FIFO, until its other end is opened.
   *
   * @param path The file's path, or its URL.
   * @param options How to open the file and whether to create it, as for `Deno.openSync`.
   * @throws {SyscallError} `ENOENT` if there is no such file; `EACCES` if this program may not open
   *   it; other errors of open(2). The error is also an instance of the class that `Deno.openSync`
   *   throws.
   * @throws {TypeError} For options that contradict each other, and for options that
   *   `Deno.openSync` doesn't have.
   *
   * @example Append what a child writes to a log
   * ```ts
   * import { OwnedFd, spawn } from "@pidfd/util";
   *
   * const path = Deno.makeTempFileSync({ suffix: ".log" });
   * using log = OwnedFd.open(path, { append: true });
   * await spawn("echo", { args: ["one"], stdout: log }).status;
   * await spawn("echo", { args: ["two"], stdout: log }).status;
   * console.log(Deno.readTextFileSync(path)); // one, two
   * Deno.removeSync(path);
   * ```
   */
  static open(path: string | URL, options?: Deno.OpenOptions): OwnedFd {
    return ownFd(openFile(path, options));
  }

  /**
   * A pipe (pipe2(2)): bytes written to `writer` can be read from `reader`. The reader sees the end
   * once all duplicates of `writer` are closed.
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   *
   * @example Connect two children
   * ```ts
   * import { OwnedFd, spawn } from "@pidfd/util";
   *
   * const { reader, writer } = OwnedFd.pipe();
   * const one = spawn("seq", { args: ["3"], stdout: writer });
   * const other = spawn("wc", { args: ["-l"], stdin: reader, stdout: "piped" });
   * writer.close(); // or the pipe would never end
   * reader.close();
   * console.log(await other.stdout.text()); // 3
   * await Promise.all([one.status, other.status]);
   * ```
   */
  static pipe(): { reader: OwnedFd; writer: OwnedFd } {
    const { read, write } = pipe();
    return { reader: ownFd(read), writer: ownFd(write) };
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
   * A second handle with its own descriptor of the same open file, close-on-exec (fcntl(2),
   * F_DUPFD_CLOEXEC).
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  clone(): OwnedFd {
    return ownFd(this.#handle.clone().release());
  }

  /** Gives the descriptor away: the caller must close it. */
  intoFd(): number {
    return this.#handle.release();
  }

  /**
   * Sets or clears close-on-exec (fcntl(2), FD_CLOEXEC). With `false`, programs that this one
   * executes inherit the descriptor under the same number.
   */
  setCloseOnExec(on: boolean): void {
    this.#handle.setCloseOnExec(on);
  }

  /** The inode number of the file. Two living namespaces are the same if their inodes are equal. */
  inode(): bigint {
    return this.#handle.inode();
  }

  /**
   * The id of a namespace. It is never reused until the next boot, unlike the inode number, which
   * can be reused once the namespace is gone.
   *
   * @throws {SyscallError} `ENOTTY` if the descriptor is not a namespace.
   * @throws {UnsupportedError} Before Linux 6.18.
   *
   * @example Whether two processes share their network, now or at different times
   * ```ts
   * import { features, PidFd } from "@pidfd/util";
   *
   * using self = PidFd.fromSelf();
   * using net = self.getNamespace("net");
   * if (features().namespaceIds) console.log(net.namespaceId()); // 1n
   * ```
   */
  namespaceId(): bigint {
    const fd = this.#handle.use();
    namespaceIds.require("inode() tells living namespaces apart");
    const { result, id } = getNamespaceId(fd);
    check("ioctl(NS_GET_ID)", result, { [Errno.ENOTTY]: `fd ${fd} is no namespace's` });
    return id;
  }

  /**
   * A stream that reads from the descriptor. From the first use of `readable` or `writable` on, the
   * two streams own the descriptor. It is closed when both have ended, or by
   * {@linkcode OwnedFd.close}.
   *
   * The open file is switched to nonblocking mode. This affects all processes that share it.
   *
   * @throws {TypeError} If the descriptor is not open for reading.
   */
  get readable(): Deno.SubprocessReadableStream {
    return this.#open("reading").readable;
  }

  /**
   * A stream that writes to the descriptor; see {@linkcode OwnedFd.readable} for ownership. Closing
   * the stream closes a pipe's end.
   *
   * @throws {TypeError} If the descriptor is not open for writing.
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#open("writing").writable;
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    return show("OwnedFd", () => showFile(this.#handle), inspect, options);
  }

  #open(direction: "reading" | "writing"): FdStreams {
    if (this.#streams === undefined) {
      checkOpenFor(accessMode(this.#handle.use()), direction);
      this.#streams = openStreams(this.#handle, this.#keepAlive);
    }
    return this.#streams;
  }
}

/** Takes over a number. Refuses one that is not open: another file could get it later. */
function adopt(fd: number): number {
  checkFd("fd", fd);
  setCloseOnExec(fd, true);
  return fd;
}

/** A duplicate of a descriptor that another process has open. */
export function openRemoteFd(handle: FdHandle, targetFd: number): OwnedFd {
  checkFd("targetFd", targetFd);
  return ownFd(pidfdGetfd(handle.use(), targetFd));
}

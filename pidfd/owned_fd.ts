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

/** Takes over an fd that was just made, and so is close-on-exec: what users give is checked first. */
export let ownFd: (fd: number) => OwnedFd;

/** Who it is, in messages. */
const HOLDER = "OwnedFd";

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
   * Opens a file, by Deno's own option names and with their meaning: for reading unless told
   * otherwise. What takes a descriptor takes it, such as a child's `stdout`; a `Deno.FsFile`
   * has no number that could be given away. `--allow-ffi` is enough: neither `--allow-read` nor
   * `--allow-write` is asked for.
   *
   * Blocks while the kernel does, as at a FIFO whose other end nobody has opened.
   *
   * @param path The file's path, or its URL.
   * @param options For what it is opened, and whether it is made, as for `Deno.openSync`.
   * @throws {SyscallError} `ENOENT` if there is no such file, `EACCES` without the right to open
   *   it, and so on: an instance of the class that `Deno.openSync` throws, too.
   * @throws {TypeError} For options that can't go together, and those that `Deno.openSync`
   *   doesn't have.
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
   * A pipe (pipe2(2)): what is written to `writer` comes out of `reader`, until all duplicates of
   * `writer` are closed.
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
   * A second descriptor of the same open file, close-on-exec, with an owner of its own
   * (fcntl(2), F_DUPFD_CLOEXEC).
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  clone(): OwnedFd {
    return ownFd(this.#handle.clone().release());
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
   * The id of a namespace, which no other one gets until the next boot. An inode number is given to
   * another one when the namespace is gone.
   *
   * @throws {SyscallError} `ENOTTY` if the descriptor is no namespace's.
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

/** Refuses a number that no open file has, which would be somebody else's one day. */
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

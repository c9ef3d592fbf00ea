/**
 * A cgroup's folder, and what its files do (`Documentation/admin-guide/cgroup-v2.rst`).
 *
 * The folder is held by an fd, because its path can be another one's later on. A cgroup that was
 * removed was empty before, and nobody can get into it any more: what waits for its emptiness has
 * its answer then.
 *
 * - Linux 4.14: cgroup.stat tells how many there are below.
 * - Linux 5.2: cgroup.freeze.
 * - Linux 5.14: cgroup.kill.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import {
  AT_FDCWD,
  discard,
  fileSystemType,
  inode,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  openat,
  readAll,
  readDirectory,
  readTextFile,
  write,
} from "../ffi/files.ts";
import { mkdirat, removeFolder } from "../ffi/folders.ts";
import { ready } from "../ffi/readiness.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { within } from "../pidfd/terminate.ts";
import { decodeText } from "../structs/cstring.ts";
import { EPOLLPRI } from "../structs/epoll_event.ts";
import { CGROUP2_SUPER_MAGIC } from "../structs/stat.ts";

/**
 * How long to rely on being told of a change, in milliseconds: from the first to the last of these,
 * twice as long each time. The kernel tells of one change at once, of the next some 10 ms later, and
 * of none once the cgroup is removed.
 */
const FIRST_LOOK = 1;
const LAST_LOOK = 1000;
/** As LAST_LOOK, where something is done each time. */
const LAST_ACT = 50;

/** The processes of one cgroup, by the PIDs that they had when it was read. */
export interface Listing {
  /** The cgroup's id, as `PidFd.getCgroupId` has it. */
  readonly id: bigint;
  readonly pids: readonly number[];
}

/** A cgroup's folder. */
export class CgroupFolder implements Disposable {
  readonly #handle: FdHandle;
  readonly #name: string;

  private constructor(handle: FdHandle, name = ".") {
    this.#handle = handle;
    this.#name = name;
  }

  /**
   * @param name The argument that the path was given as.
   * @throws {TypeError} If the path isn't that of a cgroup (version 2).
   */
  static open(path: string, name: string): CgroupFolder {
    const folder = new CgroupFolder(new FdHandle(openat(AT_FDCWD, path, O_PATH), "Cgroup"));
    try {
      if (fileSystemType(folder.fd) === CGROUP2_SUPER_MAGIC) return folder;
      throw new TypeError(`${name} must be the folder of a cgroup (version 2): ${path}`);
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  /** The fd of the folder. */
  get fd(): number {
    return this.#handle.use();
  }

  get handle(): FdHandle {
    return this.#handle;
  }

  /** A second one, which outlives this. */
  clone(): CgroupFolder {
    return new CgroupFolder(this.#handle.clone(), this.#name);
  }

  [Symbol.dispose](): void {
    this.#handle.close();
  }

  /** What stands in a file; undefined if there is none, or the cgroup was removed. */
  read(file: string): string | undefined {
    return unlessRemoved(() => readTextFile(this.fd, file));
  }

  /**
   * Writes to a file.
   *
   * @throws {SyscallError} `ENOENT` if there is none, `ENODEV` if the cgroup is being removed.
   */
  write(file: string, text: string): void {
    const fd = openat(this.fd, file, O_WRONLY);
    try {
      writeText(fd, text);
    } finally {
      discard(fd);
    }
  }

  /** Whether it was not removed. */
  exists(): boolean {
    const fd = unlessRemoved(() => openat(this.fd, "cgroup.procs", O_PATH));
    if (fd !== undefined) discard(fd);
    return fd !== undefined;
  }

  /** Throws ENODEV if it was removed. */
  require(): void {
    if (!this.exists()) throw removed("openat");
  }

  /**
   * Resolves once `cgroup.events` has a line such as `populated 0`, or the cgroup was removed.
   *
   * @param abort Ends the wait early: the promise rejects with its reason.
   * @param keepAlive Whether this keeps the program alive. Without this, it does.
   * @param act What to do each time that it is not so.
   */
  async until(
    line: string,
    abort?: AbortSignal,
    keepAlive?: KeepAlive,
    act?: () => void,
  ): Promise<void> {
    const longest = act ? LAST_ACT : LAST_LOOK;
    for (let pause = FIRST_LOOK;; pause = Math.min(2 * pause, longest)) {
      abort?.throwIfAborted();
      // Polling tells of changes since the file was read, and each open file remembers its own
      // reading: so each round opens it anew.
      const fd = unlessRemoved(() => openat(this.fd, "cgroup.events", O_RDONLY));
      if (fd === undefined) {
        if (!this.exists()) return;
        throw new UnsupportedError("cgroup.events", "a cgroup that is not the root");
      }
      try {
        const events = unlessRemoved(() => decodeText(readAll(fd)));
        if (events === undefined || events.split("\n").includes(line)) return;
        act?.();
        await within(pause, (late) => ready(fd, EPOLLPRI, late, keepAlive), abort, keepAlive);
      } finally {
        discard(fd);
      }
    }
  }

  /**
   * Throws if its processes can't be killed together: UnsupportedError if nobody could, EACCES
   * without the right to.
   */
  requireKill(): void {
    this.#unlessGone("cgroup.kill", "Linux 5.14", () => {
      discard(openat(this.fd, "cgroup.kill", O_WRONLY));
    });
  }

  /**
   * Kills every process in the cgroup and below it, and whoever is moved there meanwhile; resolves
   * once there is none.
   */
  kill(abort?: AbortSignal, keepAlive?: KeepAlive): Promise<void> {
    // Not without need: some kernels kill whoever is born into the cgroup later, too.
    return this.until("populated 0", abort, keepAlive, () => {
      this.#unlessGone("cgroup.kill", "Linux 5.14", () => this.write("cgroup.kill", "1"));
    });
  }

  /** Has all of them stand still, or go on. It takes effect a moment later: see `until`. */
  setFrozen(on: boolean): void {
    this.#unlessGone("cgroup.freeze", "Linux 5.2", () => {
      this.write("cgroup.freeze", on ? "1" : "0");
    });
  }

  /**
   * Has all of them stand still until the end of the block. The file stays open as long: there may
   * be no fd left then to have them go on by.
   */
  freeze(): Disposable {
    using opened = new DisposableStack();
    this.#unlessGone("cgroup.freeze", "Linux 5.2", () => {
      const fd = openat(this.fd, "cgroup.freeze", O_WRONLY);
      opened.defer(() => discard(fd));
      opened.defer(() => unlessRemoved(() => writeText(fd, "0")));
      writeText(fd, "1");
    });
    return opened.move();
  }

  /** Does something with a file, unless the cgroup was removed; throws if it never had the file. */
  #unlessGone(file: string, since: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!isRemoved(error)) throw error;
      // A file that never was isn't going away; and without any file the cgroup is gone itself.
      if (error.code === "ENODEV" || !this.exists()) return;
      throw new UnsupportedError(file, since, "the root of the hierarchy has none at all");
    }
  }

  /** The processes in it and below it, cgroup by cgroup. */
  listings(): Listing[] {
    return ["", ...this.#below()].flatMap((path) =>
      unlessRemoved(() => {
        const folder = openat(this.fd, path || ".", O_PATH);
        try {
          const text = readTextFile(folder, "cgroup.procs");
          // 0 is one that has no PID in our PID namespace.
          const pids = text.split("\n").map(Number).filter((pid) => pid > 0);
          return { id: inode(folder), pids };
        } finally {
          discard(folder);
        }
      }) ?? []
    );
  }

  /**
   * Makes one below it, which has no other's name.
   *
   * @param path What an error calls it.
   */
  make(name: string, path = name): CgroupFolder {
    mkdirat(this.fd, name, path);
    try {
      return new CgroupFolder(new FdHandle(openat(this.fd, name, O_PATH), "Cgroup"), name);
    } catch (error) {
      removeFolder(this.fd, name);
      throw error;
    }
  }

  /**
   * Removes it, if it was made by `make`, with all that are below it.
   *
   * @throws {SyscallError} `EBUSY` if there is a process in it.
   */
  remove(): void {
    for (const below of this.#below()) unlessRemoved(() => removeFolder(this.fd, below));
    // As long as it is there, nobody else can have its name: cgroups of version 2 keep theirs.
    if (this.exists()) unlessRemoved(() => removeFolder(this.fd, `../${this.#name}`));
  }

  /** The relative paths of those below it, the deepest first. */
  #below(path = ""): string[] {
    const stat = this.read(`${path}cgroup.stat`);
    // The file lacks only before Linux 4.14.
    if (stat === undefined || stat.split("\n").includes("nr_descendants 0")) return [];
    const folder = unlessRemoved(() => openat(this.fd, path || ".", O_RDONLY));
    if (folder === undefined) return [];
    let names: string[];
    try {
      names = unlessRemoved(() => readDirectory(folder)) ?? [];
    } finally {
      discard(folder);
    }
    return names.map((name) => path + name)
      .filter((name) => this.#isCgroup(name))
      .flatMap((name) => [...this.#below(`${name}/`), name]);
  }

  #isCgroup(name: string): boolean {
    try {
      discard(openat(this.fd, `${name}/cgroup.procs`, O_PATH));
      return true;
    } catch (error) {
      if (isRemoved(error) || error instanceof SyscallError && error.code === "ENOTDIR") {
        return false;
      }
      throw error;
    }
  }
}

function writeText(fd: number, text: string): void {
  write(fd, new TextEncoder().encode(text));
}

/** A name for one that nobody else's has. */
export function uniqueName(): string {
  return `pidfd-${Deno.pid}-${crypto.randomUUID()}`;
}

/** What comes of a call on a file of a cgroup, or undefined if it is gone. */
export function unlessRemoved<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (isRemoved(error)) return undefined;
    throw error;
  }
}

/** The error of a call on a cgroup that was removed. */
export function removed(syscall: string): Error {
  return failure(syscall, Errno.ENODEV, { [Errno.ENODEV]: "the cgroup was removed" });
}

/** Whether a file was opened too late (ENOENT), or was removed while it was used (ENODEV). */
export function isRemoved(error: unknown): error is SyscallError {
  return error instanceof SyscallError && ["ENOENT", "ENODEV"].includes(error.code);
}

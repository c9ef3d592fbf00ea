/**
 * A cgroup, as a place for processes: to be born into, and to end all together in, the one way
 * that no process gets out of, however it forks (cgroup.kill, Linux 5.14;
 * `Documentation/admin-guide/cgroup-v2.rst`).
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import {
  AT_FDCWD,
  discard,
  fileSystemType,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  openat,
  readAll,
  write,
} from "../ffi/files.ts";
import { ready } from "../ffi/readiness.ts";
import { checkCText } from "../pidfd/arguments.ts";
import { FdHandle } from "../pidfd/fd_handle.ts";
import { within } from "../pidfd/terminate.ts";
import { decodeText } from "../structs/cstring.ts";
import { EPOLLPRI } from "../structs/epoll_event.ts";
import { CGROUP2_SUPER_MAGIC } from "../structs/stat.ts";

/**
 * How long to rely on being told that a cgroup is empty, in milliseconds. The kernel tells of one
 * change at once, of the next somewhat later, and if the cgroup is removed meanwhile, never.
 */
const LOOK_AGAIN = 50;

/**
 * A cgroup's folder, held by an fd, as its path can be another's later on. Once it was removed,
 * which only an empty one can be, there is nobody in it.
 */
export class Cgroup implements Disposable {
  readonly #handle: FdHandle;

  /** @throws {TypeError} If the path isn't that of a cgroup (version 2). */
  constructor(path: string) {
    checkCText("options.cgroup", path);
    const folder = openat(AT_FDCWD, path, O_PATH);
    this.#handle = new FdHandle(folder, "cgroup");
    try {
      if (fileSystemType(folder) === CGROUP2_SUPER_MAGIC) return;
      throw new TypeError(`options.cgroup must be the folder of a cgroup (version 2): ${path}`);
    } catch (error) {
      this.#handle.close();
      throw error;
    }
  }

  /** The fd of the folder. */
  get folder(): number {
    return this.#handle.use();
  }

  [Symbol.dispose](): void {
    this.#handle.close();
  }

  /**
   * Throws if its processes can't be killed together: UnsupportedError if nobody could, EACCES
   * without the right to.
   */
  requireKill(): void {
    try {
      discard(openat(this.folder, "cgroup.kill", O_WRONLY));
      return;
    } catch (error) {
      if (!isRemoved(error)) throw error;
      // A file that never was isn't going away; and without any file the cgroup is gone itself.
      if (error.code === "ENODEV" || !this.#exists()) return;
    }
    const reason = "the root of the hierarchy has none at all";
    throw new UnsupportedError("cgroup.kill", "Linux 5.14", reason);
  }

  /**
   * Kills every process in the cgroup and below it, and whoever is moved there meanwhile; resolves
   * once there is none.
   */
  async kill(): Promise<void> {
    for (;;) {
      // Polling tells of changes since the file was read, and each open file remembers its own
      // reading: so each round opens it anew.
      const fd = this.#open("cgroup.events", O_RDONLY);
      if (fd === undefined) return;
      try {
        const events = unlessRemoved(() => decodeText(readAll(fd))) ?? "";
        if (!/^populated 1$/m.test(events)) return;
        // Not without need: some kernels kill whoever is born into the cgroup later, too.
        this.#sendKill();
        await within(LOOK_AGAIN, (signal) => ready(fd, EPOLLPRI, signal));
      } finally {
        discard(fd);
      }
    }
  }

  #sendKill(): void {
    const fd = this.#open("cgroup.kill", O_WRONLY);
    if (fd === undefined) return;
    try {
      unlessRemoved(() => write(fd, new TextEncoder().encode("1")));
    } finally {
      discard(fd);
    }
  }

  #exists(): boolean {
    const fd = this.#open("cgroup.procs", O_PATH);
    if (fd !== undefined) discard(fd);
    return fd !== undefined;
  }

  #open(file: string, flags: number): number | undefined {
    return unlessRemoved(() => openat(this.folder, file, flags));
  }
}

/** What comes of a call on a file of the cgroup, or undefined if it is gone. */
function unlessRemoved<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (isRemoved(error)) return undefined;
    throw error;
  }
}

/** Whether a file was opened too late (ENOENT), or was removed while it was used (ENODEV). */
function isRemoved(error: unknown): error is SyscallError {
  return error instanceof SyscallError && ["ENOENT", "ENODEV"].includes(error.code);
}

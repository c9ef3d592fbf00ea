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
import { decodeText } from "../structs/cstring.ts";
import { EPOLLPRI } from "../structs/epoll_event.ts";
import { CGROUP2_SUPER_MAGIC } from "../structs/stat.ts";

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
    if (this.#has("cgroup.kill", O_WRONLY) || !this.#has("cgroup.procs", O_PATH)) return;
    const reason = "the root of the hierarchy has none at all";
    throw new UnsupportedError("cgroup.kill", "Linux 5.14", reason);
  }

  /** Kills every process in the cgroup and below it; resolves once there is none. */
  async kill(): Promise<void> {
    const fd = this.#open("cgroup.kill", O_WRONLY);
    if (fd === undefined) return;
    try {
      unlessRemoved(() => write(fd, new TextEncoder().encode("1")));
    } finally {
      discard(fd);
    }
    while (await this.#isPopulated());
  }

  /** Whether there are processes in it; if so, not before something about that has changed. */
  async #isPopulated(): Promise<boolean> {
    // Polling tells of changes since the file was read, and each open file remembers its own
    // reading: so each round opens it anew.
    const fd = this.#open("cgroup.events", O_RDONLY);
    if (fd === undefined) return false;
    try {
      const events = unlessRemoved(() => decodeText(readAll(fd))) ?? "";
      if (!/^populated 1$/m.test(events)) return false;
      await ready(fd, EPOLLPRI);
      return true;
    } finally {
      discard(fd);
    }
  }

  #has(file: string, flags: number): boolean {
    const fd = this.#open(file, flags);
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
    // One that is opened too late is not found; one that was open says ENODEV.
    if (error instanceof SyscallError && ["ENOENT", "ENODEV"].includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}

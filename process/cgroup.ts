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
import { decodeText } from "../structs/cstring.ts";
import { EPOLLPRI } from "../structs/epoll_event.ts";
import { CGROUP2_SUPER_MAGIC } from "../structs/stat.ts";

/** A cgroup's folder, held by an fd: its path can be another's later on. */
export class Cgroup implements Disposable {
  readonly folder: number;

  /** @throws {TypeError} If the path isn't that of a cgroup (version 2). */
  constructor(path: string) {
    checkCText("options.cgroup", path);
    this.folder = openat(AT_FDCWD, path, O_PATH);
    if (fileSystemType(this.folder) === CGROUP2_SUPER_MAGIC) return;
    discard(this.folder);
    throw new TypeError(`options.cgroup must be the folder of a cgroup (version 2): ${path}`);
  }

  [Symbol.dispose](): void {
    discard(this.folder);
  }

  /** Throws UnsupportedError if its processes can't be killed together. */
  requireKill(): void {
    discard(this.#openKill());
  }

  /** Kills every process in the cgroup and below it; resolves once there is none. */
  async kill(): Promise<void> {
    const fd = this.#openKill();
    try {
      write(fd, new TextEncoder().encode("1"));
    } finally {
      discard(fd);
    }
    while (await this.#isPopulated());
  }

  #openKill(): number {
    try {
      return openat(this.folder, "cgroup.kill", O_WRONLY);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
      const reason = "the root of the hierarchy has none at all";
      throw new UnsupportedError("cgroup.kill", "Linux 5.14", reason);
    }
  }

  /** Whether there are processes in it; if so, not before something about that has changed. */
  async #isPopulated(): Promise<boolean> {
    // Polling tells of changes since the file was read, and each open file remembers its own
    // reading: so each round opens it anew.
    const fd = openat(this.folder, "cgroup.events", O_RDONLY);
    try {
      const events = decodeText(readAll(fd));
      if (!/^populated 1$/m.test(events)) return false;
      await ready(fd, EPOLLPRI);
      return true;
    } finally {
      discard(fd);
    }
  }
}

/**
 * Ending all processes of a cgroup at once: the one way that no process gets out of, however
 * it forks (cgroup.kill, Linux 5.14; `Documentation/admin-guide/cgroup-v2.rst`).
 *
 * @module
 */

import { AT_FDCWD, close, exists, O_RDONLY, openat, readAll, writeFile } from "../ffi/files.ts";
import { UnsupportedError } from "../ffi/errors.ts";
import { ready } from "../ffi/readiness.ts";
import { EPOLLPRI } from "../structs/epoll_event.ts";

/** Kills every process in a cgroup and below it; resolves once there is none. */
export async function killCgroup(folder: string): Promise<void> {
  const kill = `${folder}/cgroup.kill`;
  if (!exists(kill) && exists(`${folder}/cgroup.procs`)) {
    throw new UnsupportedError("cgroup.kill", "Linux 5.14");
  }
  writeFile(kill, "1");
  for (;;) {
    // Polling tells of changes since the file was read, and each open file remembers its own
    // reading: so each round opens it anew.
    const fd = openat(AT_FDCWD, `${folder}/cgroup.events`, O_RDONLY);
    try {
      if (!isPopulated(new TextDecoder().decode(readAll(fd)))) return;
      await ready(fd, EPOLLPRI);
    } finally {
      close(fd);
    }
  }
}

function isPopulated(events: string): boolean {
  return /^populated 1$/m.test(events);
}

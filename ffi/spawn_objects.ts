/**
 * The objects that posix_spawn(3) takes what a child does and is from, and what can be asked of
 * it without a child.
 *
 * @module
 */

import { cString, cStringArray } from "../structs/cstring.ts";
import { outInt, spawnAttributes, spawnFileActions } from "../structs/spawn.ts";
import { failure } from "./call.ts";
import { Errno } from "./errno.ts";
import { addressOf } from "./libc.ts";
import { spawnLibc } from "./spawn_symbols.ts";

export const POSIX_SPAWN_SETCGROUP = 0x100;

const SIZES = {
  posix_spawn_file_actions: spawnFileActions.size,
  posix_spawnattr: spawnAttributes.size,
} as const;

/** Runs `use` with an object of posix_spawn's, between its making and its end. */
export function withObject<T>(
  kind: keyof typeof SIZES,
  use: (object: Uint8Array<ArrayBuffer>) => T,
): T {
  const object = new Uint8Array(new ArrayBuffer(SIZES[kind]));
  succeed(`${kind}_init`, spawnLibc()[`${kind}_init`](object));
  try {
    return use(object);
  } finally {
    spawnLibc()[`${kind}_destroy`](object);
  }
}

/** These functions return the error's number themselves. */
export function succeed(name: string, errno: number, what = ""): void {
  if (errno !== 0) throw failure(name, errno, { [errno]: what });
}

/**
 * Returns −errno for a child in the cgroup that an fd is the folder of. The fd is to be no such
 * folder's: whoever knows of cgroups answers EBADF. In any case nothing is started, because `/`
 * can't be executed.
 */
export function tryCgroupSpawn(fd: number): number {
  const {
    pidfd_spawn: start,
    posix_spawnattr_setcgroup_np: setCgroup,
    posix_spawnattr_setflags: setFlags,
  } = spawnLibc();
  if (!start || !setCgroup) return -Errno.ENOSYS;
  return withObject("posix_spawnattr", (attributes) => {
    succeed("setcgroup_np", setCgroup(attributes, fd));
    succeed("setflags", setFlags(attributes, POSIX_SPAWN_SETCGROUP));
    const out = outInt.allocate().bytes;
    const none = cStringArray([], "argv", addressOf);
    return -start(out, cString("/", "path"), null, attributes, none, none);
  });
}

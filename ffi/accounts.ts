/**
 * Users and groups by name. libc looks them up in the databases of nsswitch.conf(5): files, or a
 * directory service. The thread blocks until the service answers.
 *
 * @module
 */

import { cString } from "../structs/cstring.ts";
import { group, passwd } from "../structs/passwd.ts";
import { array, i32, u32, u64 } from "../structs/scalars.ts";
import { Errno } from "./errno.ts";
import { launchFailure } from "./launch_failure.ts";
import { libcWith } from "./libc.ts";

/** libc with the functions that look users up, opened at first use. */
export const accountLibc = libcWith({
  // int getpwnam_r(const char *name, struct passwd *pwd, char *buf, size_t buflen,
  //   struct passwd **result);
  getpwnam_r: {
    parameters: [
      "buffer", // const char *name
      "buffer", // struct passwd *pwd
      "buffer", // char *buf
      "usize", // size_t buflen
      "buffer", // struct passwd **result
    ],
    result: "i32", // an error's number
  },
  // int getgrnam_r(const char *name, struct group *grp, char *buf, size_t buflen,
  //   struct group **result);
  getgrnam_r: {
    parameters: [
      "buffer", // const char *name
      "buffer", // struct group *grp
      "buffer", // char *buf
      "usize", // size_t buflen
      "buffer", // struct group **result
    ],
    result: "i32", // an error's number
  },
  // int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups);
  getgrouplist: {
    parameters: [
      "buffer", // const char *user
      "u32", // gid_t group
      "buffer", // gid_t *groups
      "buffer", // int *ngroups
    ],
    result: "i32",
  },
});

/** A user's IDs. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** All groups, including `gid`. */
  readonly groups: readonly number[];
}

/** Errors that mean "no such user" or "no such group"; systems differ. getpwnam_r(3) */
const NOT_THERE: ReadonlySet<number> = new Set([
  ...[0, Errno.ENOENT, Errno.ESRCH, Errno.EBADF],
]);

const FIRST_SIZE = 1024;
const FIRST_COUNT = 32;

/**
 * Looks up a user. getpwnam_r(3), getgrouplist(3)
 *
 * @throws {SyscallError} `ENOENT` if there is no such user.
 */
export function findAccount(user: string): Account {
  const { bytes, fields } = passwd.allocate();
  const name = lookUp("getpwnam_r", "user", user, bytes);
  const { pw_uid: uid, pw_gid: gid } = fields;
  return { uid, gid, groups: groupsOf(name, gid) };
}

/**
 * The ID of a group. getgrnam_r(3)
 *
 * @throws {SyscallError} `ENOENT` if there is no such group.
 */
export function findGroup(name: string): number {
  const { bytes, fields } = group.allocate();
  lookUp("getgrnam_r", "group", name, bytes);
  return fields.gr_gid;
}

/** Looks up a name and fills the entry. Returns the name as a C string. */
function lookUp(
  call: "getpwnam_r" | "getgrnam_r",
  what: string,
  text: string,
  entry: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const name = cString(text, what);
  const found = new Uint8Array(new ArrayBuffer(u64.size));
  for (let size = FIRST_SIZE;; size *= 2) {
    // libc puts the entry's strings here. They are not read.
    const texts = new Uint8Array(new ArrayBuffer(size));
    const errno = accountLibc()[call](name, entry, texts, BigInt(size), found);
    if (errno === Errno.ERANGE || errno === Errno.EINTR) continue;
    if (u64.read(new DataView(found.buffer), 0) !== 0n) return name;
    const about = `there is no ${what} ${JSON.stringify(text)}`;
    if (NOT_THERE.has(errno)) throw launchFailure(call, Errno.ENOENT, about);
    throw launchFailure(call, errno, text);
  }
}

/** The groups that a user is a member of. */
function groupsOf(name: Uint8Array<ArrayBuffer>, gid: number): number[] {
  for (let count = FIRST_COUNT;; count *= 2) {
    const bytes = new Uint8Array(new ArrayBuffer(count * u32.size));
    const counted = new Uint8Array(new ArrayBuffer(i32.size));
    const view = new DataView(counted.buffer);
    i32.write(view, 0, count);
    if (accountLibc().getgrouplist(name, gid, bytes, counted) < 0) continue;
    return array(u32, i32.read(view, 0)).read(new DataView(bytes.buffer), 0);
  }
}

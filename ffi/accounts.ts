/**
 * Users by name, in the databases that this system's libc is set up to ask (nsswitch.conf(5)): files,
 * or a directory service, whose answer the whole thread waits for.
 *
 * @module
 */

import { cString } from "../structs/cstring.ts";
import { passwd } from "../structs/passwd.ts";
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
  /** All groups, the one of `gid` among them. */
  readonly groups: readonly number[];
}

/** Errors that mean "no such user". Systems differ. getpwnam_r(3) */
const NO_USER: ReadonlySet<number> = new Set([
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
  const name = cString(user, "user");
  const { bytes, fields } = passwd.allocate();
  const found = new Uint8Array(new ArrayBuffer(u64.size));
  for (let size = FIRST_SIZE;; size *= 2) {
    // What the account's texts are in, which nobody reads.
    const texts = new Uint8Array(new ArrayBuffer(size));
    const errno = accountLibc().getpwnam_r(name, bytes, texts, BigInt(size), found);
    if (errno === Errno.ERANGE || errno === Errno.EINTR) continue;
    if (u64.read(new DataView(found.buffer), 0) !== 0n) break;
    const about = `there is no user ${JSON.stringify(user)}`;
    if (NO_USER.has(errno)) throw launchFailure("getpwnam_r", Errno.ENOENT, about);
    throw launchFailure("getpwnam_r", errno, user);
  }
  const { pw_uid: uid, pw_gid: gid } = fields;
  return { uid, gid, groups: groupsOf(name, gid) };
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

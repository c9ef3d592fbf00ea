/**
 * libc's structs for an account and a group.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { u32, u64 } from "./scalars.ts";

/** `struct passwd` (`<pwd.h>`). getpwnam(3) */
export const passwd = struct("struct passwd", {
  pw_name: u64,
  pw_passwd: u64,
  pw_uid: u32,
  pw_gid: u32,
  pw_gecos: u64,
  pw_dir: u64,
  pw_shell: u64,
});

/** `struct group` (`<grp.h>`). getgrnam(3) */
export const group = struct("struct group", {
  gr_name: u64,
  gr_passwd: u64,
  gr_gid: u32,
  gr_mem: u64,
});

/**
 * An account, as libc's user database has it.
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

/**
 * For a program that is to run out of fds, and gets a few back at a time.
 *
 * @module
 */

import { AT_FDCWD, close, O_RDONLY, openat } from "../../ffi/files.ts";
import { SyscallError } from "../../mod.ts";
import "./deno_fds.ts";

const RLIMIT_NOFILE = 7;
const LIMIT = 300n;

const { symbols } = Deno.dlopen("libc.so.6", {
  // int setrlimit(int resource, const struct rlimit *rlim);
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
});

const taken: number[] = [];

/** Takes all fds that the program may have, and returns how many were left. */
export function takeAll(): number {
  const before = taken.length;
  symbols.setrlimit(RLIMIT_NOFILE, new Uint8Array(new BigUint64Array([LIMIT, LIMIT]).buffer));
  try {
    for (;;) taken.push(openat(AT_FDCWD, "/dev/null", O_RDONLY));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EMFILE") throw error;
  }
  return taken.length - before;
}

/** Gives some of them back. */
export function giveBack(count: number): void {
  taken.splice(Math.max(taken.length - count, 0)).forEach(close);
}

/**
 * For what root is always allowed, and an ordinary user is not.
 *
 * @module
 */

import { isRoot } from "./processes.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // int setfsuid(uid_t fsuid);
  setfsuid: { parameters: ["u32"], result: "i32" },
  // int prctl(int op, unsigned long arg2);
  prctl: { parameters: ["i32", "usize"], result: "i32" },
});

const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;

const NOBODY = 65534;

/** Does something without root's rights to files and folders: they are each thread's own. */
export function asOrdinaryUser<T>(act: () => T): T {
  if (!isRoot) return act();
  // The kernel makes memory not dumpable in which that changes, and other tests look at it.
  const dumpable = libc.prctl(PR_GET_DUMPABLE, 0n);
  libc.setfsuid(NOBODY);
  try {
    return act();
  } finally {
    libc.setfsuid(0);
    libc.prctl(PR_SET_DUMPABLE, BigInt(dumpable));
  }
}

/**
 * For what root is always allowed, and an ordinary user is not.
 *
 * @module
 */

import { isRoot } from "./processes.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // int setfsuid(uid_t fsuid);
  setfsuid: { parameters: ["u32"], result: "i32" },
});

const NOBODY = 65534;

/** Does something without root's rights to files and folders: they are each thread's own. */
export function asOrdinaryUser<T>(act: () => T): T {
  if (!isRoot) return act();
  libc.setfsuid(NOBODY);
  try {
    return act();
  } finally {
    libc.setfsuid(0);
  }
}

/**
 * Who a child is: its user and its groups.
 *
 * @module
 */

import { findAccount } from "../ffi/accounts.ts";
import { checkCText, checkInstance, checkInteger } from "../pidfd/arguments.ts";

/** The options that say who a child is. */
export interface IdentityOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly user?: string;
}

/** What a child changes of its identity. */
export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[] | "drop";
}

/** The highest ID: the one above means "as it is" to the kernel. */
const LAST_ID = 2 ** 32 - 2;

/** Root without other groups: who a child is that enters a user namespace. */
export const ROOT: Identity = { uid: 0, gid: 0, groups: "drop" };

/** Whether options say who a child is. */
export function hasIdentity({ uid, gid, groups, user }: IdentityOptions): boolean {
  return [uid, gid, groups, user].some((option) => option !== undefined);
}

/** Checks who a child is to be, and finds out who that is. */
export function identityOf({ uid, gid, groups, user }: IdentityOptions): Identity {
  if (uid !== undefined) checkInteger("options.uid", uid, 0, LAST_ID);
  if (gid !== undefined) checkInteger("options.gid", gid, 0, LAST_ID);
  if (groups !== undefined) {
    checkInstance("options.groups", groups, "an array", Array);
    for (let i = 0; i < groups.length; i++) {
      checkInteger(`options.groups[${i}]`, groups[i], 0, LAST_ID);
    }
  }
  // Groups belong to a user. A new uid without `groups` gets none.
  if (user === undefined) {
    return { uid, gid, groups: groups ?? (uid === undefined ? undefined : "drop") };
  }
  checkCText("options.user", user);
  if (uid !== undefined || gid !== undefined || groups !== undefined) {
    throw new TypeError(
      "options.user must not be combined with uid, gid or groups: it sets all three",
    );
  }
  return findAccount(user);
}

/**
 * What can be passed wherever a descriptor is wanted: a handle, or a bare number.
 *
 * @module
 */

import { checkFd } from "./arguments.ts";
import { OwnedFd } from "./owned_fd.ts";
import { PidFd } from "./pidfd.ts";

/** The number of a descriptor that stays its owner's; refuses a handle that has none. */
export function fdNumber(name: string, value: OwnedFd | PidFd | number): number {
  if (value instanceof OwnedFd || value instanceof PidFd) {
    if (value.closed) throw new Deno.errors.BadResource(`${name} is closed`);
    return value.fd;
  }
  checkFd(name, value);
  return value;
}

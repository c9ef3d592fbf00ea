/**
 * Arguments that name a descriptor: a handle, or a bare number.
 *
 * @module
 */

import { checkFd } from "./arguments.ts";
import { OwnedFd } from "./owned_fd.ts";
import { PidFd } from "./pidfd.ts";

/** The number of a borrowed descriptor: its owner still closes it. Refuses a closed handle. */
export function fdNumber(name: string, value: OwnedFd | PidFd | number): number {
  if (value instanceof OwnedFd || value instanceof PidFd) {
    if (value.closed) throw new Deno.errors.BadResource(`${name} is closed`);
    return value.fd;
  }
  checkFd(name, value);
  return value;
}

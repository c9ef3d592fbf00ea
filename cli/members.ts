/**
 * How the processes of a tree are named, and what is said of those that did not end.
 *
 * @module
 */

import type { KilledProcess } from "../process/member.ts";
import { say } from "./output.ts";

/** A process, with its command line where that can be seen. */
export function nameOf(ref: string | number, command: string): string {
  return command === "" ? `${ref}` : `${ref} (${command})`;
}

/** Says which processes this program may not signal. */
export function sayRefused(refused: readonly KilledProcess[]): void {
  for (const { pid, command } of refused) say(`no permission to end ${nameOf(pid, command)}`);
}

/** Says which processes don't end, though they were killed. */
export function sayStuck(stuck: readonly KilledProcess[]): void {
  for (const { pid, command } of stuck) {
    say(`${nameOf(pid, command)} was killed, and is held up in the kernel`);
  }
}

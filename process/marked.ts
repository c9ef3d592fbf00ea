/**
 * Finding all processes that have a mark, while they start others and end.
 *
 * The argument that those are all, if none of them is left that wasn't stopped: /proc shows each
 * process that is there from the beginning of a look to its end. One that was there at the beginning
 * can have ended before we looked at it, and have left another; that one has a PID which was given
 * away since the beginning, and so on. So we look at the PIDs that were given away since the look
 * before, until nobody in there is gone: then everyone who has the mark, and was there at the
 * beginning of that last look, is known.
 *
 * Where others start and end processes as well, it takes a few looks more, of some microseconds each.
 *
 * @module
 */

import type { Mark } from "./mark.ts";
import { lastPid } from "./relatives.ts";
import type { Turns } from "./turns.ts";

/** How often in a row we look for who came last, if it is another one each time. */
export const CHASE = 100;

/** What came of a PID that a process of the tree has, or had. */
export type Catch =
  /** We have hold of it, or had, or know that it has ended. */
  | "known"
  /** It is held from now on. */
  | "held"
  /** It was gone before we had hold of it, or has ended: it may have left another. */
  | "gone";

/** A search for marked processes. */
export interface MarkSearch {
  /** The PIDs that /proc has shown. */
  readonly seen: Iterable<number>;
  /** The PID that had been given away last before /proc was read. */
  readonly newest: number;
  /** The PIDs of those that are held, or known to have ended. */
  readonly known: ReadonlySet<number>;
  /** Takes hold of a process that had the mark a moment ago. */
  take(pid: number): Catch;
  readonly turns: Turns;
}

/** Takes hold of all that have the mark. Returns whether those are all. */
export async function findMarked(mark: Mark, search: MarkSearch): Promise<boolean> {
  const { seen, newest, known, take, turns } = search;
  for (const pid of seen) {
    if (!known.has(pid) && mark.isOn(pid)) take(pid);
    if (turns.isOver) await turns.next();
  }
  let last = newest;
  for (let looks = 0; looks < CHASE; looks++) {
    const next = lastPid();
    // They have begun anew, at the lowest.
    if (next < last) return false;
    let isAnyGone = false;
    // The youngest first: of those that hand over to one another only that one still runs.
    for (let pid = next; pid > last; pid--) {
      if (known.has(pid)) continue;
      const isMarked = mark.isOn(pid);
      if (isMarked === undefined || isMarked && take(pid) === "gone") isAnyGone = true;
    }
    if (!isAnyGone) return true;
    last = next;
    if (turns.isOver) await turns.next();
  }
  return false;
}

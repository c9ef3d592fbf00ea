/**
 * Which faults an operation is tried with: each of its calls fails, with all that the call can
 * fail with.
 *
 * @module
 */

import type { ErrnoName } from "../../../ffi/errno.ts";
import { isUntried } from "./answers.ts";
import { CHILD_CALLS, ERRORS, NOT_OURS } from "./errors.ts";
import type { Observation, ObservedCall } from "./subject.ts";
import type { Fault } from "./tracer.ts";

/** Whether all is tried with each operation: `deno task test:faults`. */
export const THOROUGH = Deno.env.has("FAULTS");

/** What any call can fail with: an old kernel or a filter doesn't know it, a signal came in. */
const ALWAYS: readonly ErrnoName[] = ["ENOSYS", "EINTR"];

/**
 * Calls that no program sees interrupted: the kernel itself restarts them (clone(2)), they wait for
 * nothing (signal(7) names those that do), or the launcher's child makes them, with its signals
 * blocked. waitid(2) is one of them where it has WNOHANG.
 */
const RESTARTED: ReadonlySet<string> = new Set([
  ...["clone", "clone3", "epoll_ctl", "pidfd_send_signal"],
  ...CHILD_CALLS,
]);

/** What old kernels and filters answer each time. */
const FOREVER: readonly ErrnoName[] = ["ENOSYS", "EPERM", "EINVAL", "ENOTTY"];

/** Calls that Deno makes as well on the same thread, now more of them and now fewer. */
const SHARED: ReadonlySet<string> = new Set(["close", "epoll_ctl", "fcntl", "read", "write"]);

/** Calls that fail once: or Deno fails itself, or they are a child's, which counts its own. */
const ONCE: ReadonlySet<string> = new Set([...SHARED, ...CHILD_CALLS]);

/** How many calls of a name fail, each in its turn, where an operation makes more of them. */
const LATEST = 4;

/** The faults of one operation after the other. */
export class Plan {
  readonly #tried = new Set<string>();

  /**
   * The faults for an operation, from what it was seen to call. If not all is tried everywhere,
   * each error of a call is in the first operation that makes it, and in each further one at
   * least one.
   */
  faultsFor(operation: string, exempt: readonly string[], { calls }: Observation) {
    const faults: Fault[] = [];
    for (const [name, all] of Map.groupBy(calls, ({ name }) => name)) {
      if (exempt.includes(name)) continue;
      const ours = all.flatMap((call, index) => isOurs(call) ? [index + 1] : []).slice(0, LATEST);
      for (const count of ours) {
        const isFirst = count === ours[0];
        const possible = faultsAt(all[count - 1], count, isFirst)
          .filter((fault) => !isUntried(operation, fault));
        faults.push(...(THOROUGH ? possible : this.#choose(possible, isFirst)));
      }
    }
    return faults;
  }

  #choose(possible: readonly Fault[], isFirst: boolean): Fault[] {
    const isError = ({ errno }: Fault) => errno !== "EINTR";
    const kind = ({ call, errno, when }: Fault) => `${call} ${errno} ${when.endsWith("+")}`;
    const chosen = isFirst ? possible.filter((fault) => !this.#tried.has(kind(fault))) : [];
    for (const fault of chosen) this.#tried.add(kind(fault));
    return chosen.some(isError) ? chosen : [...chosen, ...possible.filter(isError).slice(0, 1)];
  }
}

/** The fault to try after so many tries in vain: if Deno makes such calls, ours can be another one. */
export function nextTry(fault: Fault, tries: number): Fault {
  if (!SHARED.has(fault.call)) return fault;
  const step = tries % 2 === 0 ? tries / 2 : -(tries + 1) / 2;
  return { ...fault, when: `${Math.max(1, Number(fault.when) + step)}` };
}

/** Whether the library makes the call, and it can fail. */
function isOurs({ name, isDenos, text }: ObservedCall): boolean {
  if (NOT_OURS.has(name) || isDenos) return false;
  // A new thread is Deno's, a new process the library's.
  return !name.startsWith("clone") || text.includes("CLONE_VFORK");
}

/** What one call can fail with, and with what all of its name from then on. */
function faultsAt({ name: call, text }: ObservedCall, count: number, isFirst: boolean): Fault[] {
  const errors = ERRORS[call];
  if (errors === undefined) throw new Error(`nothing is said of what ${call} can fail with`);
  const all = [...errors, ...ALWAYS]
    .filter((errno) => errno !== "EINTR" || !(RESTARTED.has(call) || text.includes("WNOHANG")));
  const once = all.map((errno) => ({ call, errno, when: `${count}` }));
  const forever = isFirst && !ONCE.has(call) ? FOREVER.filter((errno) => all.includes(errno)) : [];
  return [...once, ...forever.map((errno) => ({ call, errno, when: `${count}+` }))];
}

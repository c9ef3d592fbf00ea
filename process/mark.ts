/**
 * A mark that a child and all that it starts have, and that no process sheds without meaning to.
 *
 * It is a resource limit that limits nothing: RLIMIT_RSS, which Linux ignores since 2.4.30
 * (getrlimit(2)). A child gets a hard limit of its own, some exabytes. Each fork and each execution
 * keeps it: a change of session, user, name, environment or namespace doesn't touch it, and raising
 * it again takes privileges. `/proc/PID/limits` shows it of every process, whoever's that is.
 *
 * Marks nest once, as a child that has one can start this library, too: then each of its children
 * has a mark that lies within its own.
 *
 * | hard limit       | is                                                             |
 * | ---------------- | -------------------------------------------------------------- |
 * | 2^62 and more    | no mark; the kernel's default is Infinity                      |
 * | `a·2^30 + 2^30−1` | a mark; `a` is random                                          |
 * | `a·2^30 + b`     | a mark within that one; `b` is random                          |
 *
 * @module
 */

import { UnsupportedError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import { unlessHidden } from "./relatives.ts";

/** Limits from here on are none. */
const NO_MARK = 2n ** 62n;
/** How many bits tell marks apart that lie within one. */
const BITS = 30n;
const WITHIN = 2n ** BITS - 1n;

/** A mark. */
export class Mark {
  /** The limit that carries it. */
  readonly limit: bigint;

  private constructor(limit: bigint) {
    this.limit = limit;
  }

  /**
   * Makes a mark that nobody has.
   *
   * @throws {UnsupportedError} If this program's own limit leaves no room for one.
   * @throws {SyscallError} If /proc doesn't tell it.
   */
  static create(): Mark {
    const own = hardLimitIn(readTextFile(AT_FDCWD, "/proc/self/limits")) ?? 0n;
    const [first, second] = crypto.getRandomValues(new Uint32Array(2));
    // 0 is no mark, and one that ends in ones is not within another one.
    if (own >= NO_MARK) return new Mark((BigInt(first || 1) << BITS) | WITHIN);
    if ((own & WITHIN) === WITHIN) return new Mark(own - 1n - BigInt(second) % (WITHIN - 1n));
    throw new UnsupportedError(
      "containment",
      "a cgroup that this program may make others in",
      "or a hard limit of RLIMIT_RSS (ulimit -Hm) that is unlimited, or that one contained " +
        "process has and not two around one another",
    );
  }

  /** Whether the process that has this PID now has the mark, or one within; undefined if it is gone. */
  isOn(pid: number): boolean | undefined {
    const limit = hardLimit(pid);
    if (limit === undefined) return undefined;
    if (limit === this.limit) return true;
    return (this.limit & WITHIN) === WITHIN && limit >> BITS === this.limit >> BITS;
  }
}

/** A process's hard RLIMIT_RSS; undefined if there is no such process to be seen. */
function hardLimit(pid: number): bigint | undefined {
  const text = unlessHidden(() => readTextFile(AT_FDCWD, `/proc/${pid}/limits`));
  return text === undefined ? undefined : hardLimitIn(text);
}

/** Undefined for one that is about to be reaped: it has no limits any more. */
function hardLimitIn(limits: string): bigint | undefined {
  const match = /^Max resident set +\S+ +(\d+|unlimited) /m.exec(limits);
  if (match === null) return undefined;
  return match[1] === "unlimited" ? NO_MARK : BigInt(match[1]);
}

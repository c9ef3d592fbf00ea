/**
 * A process in writing: for PID files, environment variables and messages.
 *
 * A PID alone names whoever has it when it is read. Together with the id, which no other
 * process gets until the next boot, it names one process for good (Linux 6.9); the id of the
 * boot makes that hold beyond the boot as well.
 *
 * @module
 */

import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import { checkId, checkPid, checkString, show } from "./arguments.ts";

/** The JSON form of a {@linkcode ProcessRef}: the id is a string, as JSON has no bigint. */
export interface ProcessRefJson {
  /** The process's PID. */
  pid: number;
  /** The process's id, in decimal. */
  id: string;
  /** The id of the boot that the process belongs to; null if it isn't known. */
  bootId: string | null;
}

/**
 * A serialisable reference to one process. {@linkcode PidFd.toRef} makes it,
 * {@linkcode PidFd.fromRef} finds the process again, or says why it can't be found.
 *
 * @example
 * ```ts
 * import { features, PidFd, ProcessRef } from "@pidfd/util";
 *
 * if (features().ids) { // Linux 6.9
 *   using self = PidFd.fromSelf();
 *   const stored = JSON.stringify(self.toRef());
 *
 *   using found = PidFd.fromRef(ProcessRef.fromJSON(JSON.parse(stored)));
 *   console.log(found.equals(self)); // true
 * }
 * ```
 */
export class ProcessRef {
  /** The process's PID. */
  readonly pid: number;
  /** The process's id, as {@linkcode PidFd.getId} has it. */
  readonly id: bigint;
  /** The id of the boot that the process belongs to; null in the text form, which has none. */
  readonly bootId: string | null;

  /**
   * Puts a reference together.
   *
   * @throws {RangeError} If `pid` is not an integer in 1…2^31−1, or `id` not in 1…2^64−1.
   */
  constructor(pid: number, id: bigint, bootId: string | null = null) {
    checkPid("pid", pid);
    checkId("id", id);
    if (bootId !== null && typeof bootId !== "string") {
      throw new TypeError(`bootId must be a string or null: ${show(bootId)}`);
    }
    this.pid = pid;
    this.id = id;
    this.bootId = bootId;
  }

  /**
   * Reads the text form, `PID:ID`.
   *
   * @throws {SyntaxError} If it isn't one.
   */
  static parse(text: string): ProcessRef {
    const match = /^(\d+):(\d+)$/.exec(text);
    if (match === null) throw new SyntaxError(`not of the form PID:ID: ${JSON.stringify(text)}`);
    return new ProcessRef(Number(match[1]), BigInt(match[2]));
  }

  /**
   * Reads the JSON form.
   *
   * @throws {TypeError} If a property has the wrong type.
   * @throws {SyntaxError} If `id` is not a number in decimal.
   */
  static fromJSON(json: ProcessRefJson): ProcessRef {
    checkString("id", json?.id);
    return new ProcessRef(json.pid, BigInt(json.id), json.bootId);
  }

  /** The JSON form, which `JSON.stringify` asks for. */
  toJSON(): ProcessRefJson {
    return { pid: this.pid, id: String(this.id), bootId: this.bootId };
  }

  /** The text form, `PID:ID`. */
  toString(): string {
    return `${this.pid}:${this.id}`;
  }
}

/** The id of the running boot. random(4) */
export function currentBootId(): string {
  return readTextFile(AT_FDCWD, "/proc/sys/kernel/random/boot_id").trim();
}

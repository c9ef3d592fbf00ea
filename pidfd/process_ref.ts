/**
 * A reference to a process that you can store: in PID files, environment variables and messages.
 *
 * A PID alone is not enough: another process can get it later. The id (Linux 6.9) is never reused
 * until the next boot. Together with the boot id it names one process for good.
 *
 * The id is valid in every PID namespace, the PID only in one. So a reference also holds the PID
 * namespace. A reader in another namespace then knows that the PID is not valid there.
 *
 * @module
 */

import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import { checkId, checkInteger, checkPid, checkString, show } from "./arguments.ts";

/** The JSON form of a {@linkcode ProcessRef}: the id is a string, as JSON has no bigint. */
export interface ProcessRefJson {
  /** The process's PID. */
  pid: number;
  /** The process's id, in decimal. */
  id: string;
  /** The id of the boot in which the process ran; null if it isn't known. */
  bootId: string | null;
  /** The inode number of the PID's namespace; null or missing if it isn't known. */
  pidNamespace?: number | null;
}

/**
 * A serialisable reference to one process. {@linkcode PidFd.toRef} makes it.
 * {@linkcode PidFd.fromRef} finds the process again, or throws an error that tells why it can't.
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
  /** The process's id, as {@linkcode PidFd.getId} returns it. */
  readonly id: bigint;
  /** The id of the boot in which the process ran; null if the reference was read from text. */
  readonly bootId: string | null;
  /**
   * The inode number of the PID's namespace; null if it isn't known, for example if the reference
   * was read from text.
   */
  readonly pidNamespace: number | null;

  /**
   * Makes a reference from its parts.
   *
   * @throws {RangeError} If `pid` is not an integer in 1…2^31−1, `id` is not in 1…2^64−1, or
   *   `pidNamespace` is not in 1…2^32−1.
   * @throws {SyntaxError} If `bootId` is not a UUID.
   */
  constructor(
    pid: number,
    id: bigint,
    bootId: string | null = null,
    pidNamespace: number | null = null,
  ) {
    checkPid("pid", pid);
    checkId("id", id);
    if (bootId !== null) checkBootId(bootId);
    if (pidNamespace !== null) checkInteger("pidNamespace", pidNamespace, 1, 2 ** 32 - 1);
    this.pid = pid;
    this.id = id;
    this.bootId = bootId;
    this.pidNamespace = pidNamespace;
  }

  /**
   * Reads the text form, `PID:ID`.
   *
   * @throws {SyntaxError} If the text does not have this form.
   */
  static parse(text: string): ProcessRef {
    const match = /^(0|[1-9]\d*):(0|[1-9]\d*)$/.exec(text);
    if (match === null) throw new SyntaxError(`not of the form PID:ID: ${JSON.stringify(text)}`);
    return new ProcessRef(Number(match[1]), BigInt(match[2]));
  }

  /**
   * Reads the JSON form.
   *
   * @throws {TypeError} If a property other than `pidNamespace` is missing or has the wrong type.
   * @throws {SyntaxError} If `id` is not a number in decimal, or `bootId` is not a UUID.
   */
  static fromJSON(json: ProcessRefJson): ProcessRef {
    checkString("id", json?.id);
    // BigInt() accepts more than that: hexadecimal digits, white space, the empty string.
    if (!/^(0|[1-9]\d*)$/.test(json.id)) {
      throw new SyntaxError(`id must be a number in decimal: ${show(json.id)}`);
    }
    // Without the boot id, a reference from another boot could find a wrong process in this one.
    if (json.bootId !== null) checkString("bootId", json.bootId);
    return new ProcessRef(json.pid, BigInt(json.id), json.bootId, json.pidNamespace);
  }

  /** The JSON form; `JSON.stringify` calls this. */
  toJSON(): ProcessRefJson {
    const { pid, id, bootId, pidNamespace } = this;
    return { pid, id: String(id), bootId, pidNamespace };
  }

  /** The text form, `PID:ID`. */
  toString(): string {
    return `${this.pid}:${this.id}`;
  }
}

function checkBootId(value: unknown): void {
  checkString("bootId", value);
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return;
  throw new SyntaxError(`bootId must be a UUID: ${show(value)}`);
}

/** The id of the running boot. random(4) */
export function currentBootId(): string {
  return readTextFile(AT_FDCWD, "/proc/sys/kernel/random/boot_id").trim();
}

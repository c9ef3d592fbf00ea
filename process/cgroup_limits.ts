/**
 * The limits of a cgroup: which file holds each, what is written there, and which controller the
 * file belongs to.
 *
 * A cgroup has a controller's files if its parent hands the controller on
 * (`cgroup.subtree_control`). A parent can do that with those controllers that it was handed itself,
 * and only as long as no process is in the parent itself, but for the root
 * (`Documentation/admin-guide/cgroup-v2.rst`, "No Internal Process Constraint"). `cpu` and `pids` it
 * would hand on all the same, but then it becomes the root of a threaded subtree, and no process can
 * get into those below it any more ("Threads"). So we see to that ourselves.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import { checkInteger, checkOptions, show } from "../pidfd/arguments.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";

/** Limits of all processes of a cgroup together. Infinity is none. */
export interface CgroupLimits {
  /**
   * Memory in bytes, rounded down to whole pages (`memory.max`). If there is no other way to stay
   * below, the kernel's OOM killer ends a process: see {@linkcode CgroupStats.oomKills}.
   */
  memory?: number;
  /** Swap space in bytes, beside the memory (`memory.swap.max`). */
  swap?: number;
  /** How many processes and threads there may be: a fork beyond fails with EAGAIN (`pids.max`). */
  processes?: number;
  /** How many processors' time they get: 0.5 is half of one; 0.01 and more (`cpu.max`). */
  cpus?: number;
  /** Their share of the time if others want it, too: 1 to 10000, of 100 by default (`cpu.weight`). */
  cpuWeight?: number;
}

/** The controllers that hold these limits. */
export type Controller = "cpu" | "memory" | "pids";

/** Where one limit is. */
interface Place {
  readonly controller: Controller;
  readonly file: string;
  /** Checks a value, and makes what is written. */
  text(name: string, value: number): string;
  /** Whether what is read back is what was written. */
  isSame(written: string, read: string): boolean;
}

/** How long a processor's time is shared out at a time, in microseconds: the kernel's own default. */
const PERIOD = 100_000;
/** The shortest share of it that the kernel takes. */
const LEAST_QUOTA = 1000;
/** The largest page that a supported machine has, in bytes. */
const LARGEST_PAGE = 64 * 1024;

const PLACES: Readonly<Record<keyof CgroupLimits, Place>> = {
  memory: { controller: "memory", file: "memory.max", text: count, isSame: isSameSize },
  swap: { controller: "memory", file: "memory.swap.max", text: count, isSame: isSameSize },
  processes: { controller: "pids", file: "pids.max", text: count, isSame: Object.is },
  cpus: { controller: "cpu", file: "cpu.max", text: quota, isSame: Object.is },
  cpuWeight: { controller: "cpu", file: "cpu.weight", text: weight, isSame: Object.is },
};

/** One limit, ready to be written. */
interface Setting extends Place {
  readonly written: string;
}

/** Checks limits. */
export function checkCgroupLimits(name: string, limits: CgroupLimits): Setting[] {
  checkOptions(name, limits, Object.keys(PLACES));
  return Object.entries(limits).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const place = PLACES[key as keyof CgroupLimits];
    return [{ ...place, written: place.text(`${name}.${key}`, value) }];
  });
}

/**
 * Sets limits, and sees that the kernel has them.
 *
 * @throws {SyscallError} If the parent doesn't hand on a controller, and can't be made to.
 * @throws {UnsupportedError} If the kernel was built without.
 */
export function writeLimits(folder: CgroupFolder, path: string, settings: Setting[]): void {
  for (const { controller, file, written, isSame } of settings) {
    if (folder.read(file) === undefined) {
      requireBelowRoot(folder, file);
      handOn(folder, path, controller, file);
      if (folder.read(file) === undefined) {
        throw new UnsupportedError(file, "a kernel that was built with it");
      }
    }
    folder.write(file, written);
    const read = folder.read(file)?.trimEnd() ?? "nothing";
    if (isSame(written, read)) continue;
    throw new Deno.errors.InvalidData(`${path}/${file} has ${read} where ${written} was written`);
  }
}

/** Throws for a cgroup that was removed, and for the root, which has no limits. */
function requireBelowRoot(folder: CgroupFolder, file: string): void {
  if (folder.read("cgroup.type") !== undefined) return;
  folder.require();
  throw new UnsupportedError(file, "a cgroup that is not the root of the hierarchy");
}

/**
 * Has the parent hand on controllers, as far as it may: without them, there are no statistics.
 */
export function tryHandOn(folder: CgroupFolder, controllers: readonly Controller[]): void {
  const present = folder.read("cgroup.controllers")?.split(/\s/) ?? [];
  for (const controller of controllers) {
    if (present.includes(controller)) continue;
    try {
      writeToParent(folder, controller);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }
}

function writeToParent(folder: CgroupFolder, controller: Controller): void {
  // The root alone has no type.
  const isRoot = folder.read("../cgroup.type") === undefined;
  if (!isRoot && folder.read("../cgroup.procs") !== "") throw failure("write", Errno.EBUSY);
  folder.write("../cgroup.subtree_control", `+${controller}`);
}

function handOn(folder: CgroupFolder, path: string, controller: Controller, file: string): void {
  try {
    writeToParent(folder, controller);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const parent = path.slice(0, path.lastIndexOf("/"));
    const why = reason(error.code, controller, parent);
    throw new SyscallError(
      error.syscall,
      error.errno,
      `${path} has no ${file}: it needs the controller ${controller}, ` +
        `which ${parent}/cgroup.subtree_control doesn't hand on; ${why}`,
    );
  }
}

/** Why a parent can't hand on a controller, and what to do. */
function reason(code: string, controller: Controller, parent: string): string {
  switch (code) {
    case "EBUSY":
      return "it can't as long as processes are in that cgroup itself, this program perhaps: " +
        "give a parent without, such as the one above it if the program has a subgroup of its own " +
        "(systemd: Delegate= and DelegateSubgroup=)";
    case "ENOENT":
      return `it doesn't have it either (${parent}/cgroup.controllers): it has to be delegated ` +
        `(systemd: Delegate=${controller}), and must not be in use by cgroups of version 1`;
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "this program may not write there";
    default:
      return "writing there failed";
  }
}

/** A number of bytes or processes. */
function count(name: string, value: number): string {
  if (value === Infinity) return "max";
  checkInteger(name, value, 0, Number.MAX_SAFE_INTEGER);
  return String(value);
}

function quota(name: string, value: number): string {
  if (value === Infinity) return `max ${PERIOD}`;
  if (typeof value !== "number") throw new TypeError(`${name} must be a number: ${show(value)}`);
  const microseconds = Math.round(value * PERIOD);
  if (!(microseconds >= LEAST_QUOTA && Number.isSafeInteger(microseconds))) {
    throw new RangeError(`${name} must be ${LEAST_QUOTA / PERIOD} or more: ${value}`);
  }
  return `${microseconds} ${PERIOD}`;
}

function weight(name: string, value: number): string {
  checkInteger(name, value, 1, 10_000);
  return String(value);
}

/** Whether a size was taken over, rounded down to whole pages. */
function isSameSize(written: string, read: string): boolean {
  const lost = Number(written) - Number(read);
  return written === read || lost >= 0 && lost < LARGEST_PAGE;
}

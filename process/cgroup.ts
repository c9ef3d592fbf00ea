/**
 * A cgroup as a place for processes: limited together, measured together, and ended together, the
 * one way that no process gets out of, however it forks.
 *
 * @module
 */

import { UnsupportedError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import {
  checkAbortSignal,
  checkCText,
  checkInstance,
  checkOptions,
  show as showValue,
} from "../pidfd/arguments.ts";
import { findCgroupFolder } from "../pidfd/info.ts";
import { customInspect, show } from "../pidfd/inspect.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import { CgroupFolder, uniqueName } from "./cgroup_folder.ts";
import { type CgroupLimits, checkCgroupLimits, tryHandOn, writeLimits } from "./cgroup_limits.ts";
import { members } from "./cgroup_members.ts";
import { type CgroupStats, readStats } from "./cgroup_stats.ts";

/** Options for {@linkcode Cgroup.create}. */
export interface CgroupCreateOptions {
  /** The folder of the cgroup that it is made in: this program's own unless told otherwise. */
  parent?: string;
  /** Its name there: one that nobody else has unless told otherwise. */
  name?: string;
  /** Limits that it has from the beginning: see {@linkcode Cgroup.setLimits}. */
  limits?: CgroupLimits;
}

/** Options for what waits for a cgroup. */
export interface CgroupWaitOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Gives a cgroup's folder, for files that do with it what users can't. */
export let folderOf: (cgroup: Cgroup) => CgroupFolder;

/**
 * A cgroup (version 2). Processes are born into it by {@linkcode spawn}, and stay in it or below it,
 * and so does all that they start, unless somebody moves them who has the right to.
 *
 * With `await using`, nobody is in it any more when the block is left: who is in it is killed, also
 * if it was there before and {@linkcode Cgroup.open} has opened it. If {@linkcode Cgroup.create} has
 * made it, it is removed. {@linkcode Cgroup.close} leaves it as it is, with all who are in it, and so
 * does the end of the program.
 *
 * To make one, the program needs the right to write to the parent's folder: root has it, and a
 * service or a user whom that part of the tree was delegated to (systemd: `Delegate=`).
 *
 * @example Measure a command, with all that it starts
 * ```ts
 * import { Cgroup, features, spawn } from "@pidfd/util";
 *
 * if (features().containment === "cgroup") { // this program may make cgroups
 *   await using cgroup = Cgroup.create();
 *   await using child = spawn("sh", ["-c", "sleep 0.1 & wait"], { cgroup });
 *   await child.status;
 *   const { cpuTime, memoryPeak, oomKills } = cgroup.stats();
 *   console.log(cpuTime.user + cpuTime.system, memoryPeak, oomKills);
 * }
 * ```
 *
 * See {@link https://docs.kernel.org/admin-guide/cgroup-v2.html | Control Group v2}.
 */
export class Cgroup implements AsyncDisposable {
  /** The path of its folder. */
  readonly path: string;
  readonly #folder: CgroupFolder;
  readonly #isMade: boolean;
  #isEmptied = false;
  #disposal: Promise<void> | undefined;

  private constructor(path: string, folder: CgroupFolder, isMade: boolean) {
    this.path = path;
    this.#folder = folder;
    this.#isMade = isMade;
  }

  static {
    folderOf = (cgroup) => cgroup.#folder;
  }

  /**
   * Makes a cgroup below another one.
   *
   * It has the controllers that its parent hands on. The parent is asked to hand on `memory` and
   * `pids`, which the statistics need, and each one that a limit needs. It can't as long as
   * processes are in the parent itself, unless that is the root: a program that wants limits below
   * its own cgroup has to be in a subgroup of what it was delegated, and give the one above as the
   * `parent`. Nothing moves this program.
   *
   * @throws {SyscallError} `EACCES` or `EROFS` if this program may not make one there; `EEXIST` if
   *   there is one of that name. If a controller is missing for a limit, the message names it, the
   *   file that would be written, and the one that doesn't hand it on.
   * @throws {UnsupportedError} Without `parent`, if no mount of cgroup2 shows this program's own; for
   *   limits that the kernel was built without.
   * @throws {TypeError} If the parent isn't the folder of a cgroup (version 2).
   */
  static create(options: CgroupCreateOptions = {}): Cgroup {
    checkOptions("options", options, ["parent", "name", "limits"]);
    const { name = uniqueName(), limits = {} } = options;
    checkName("options.name", name);
    if (options.parent !== undefined) checkCText("options.parent", options.parent);
    const settings = checkCgroupLimits("options.limits", limits);
    const parent = options.parent ?? ownPath();
    const path = `${withoutSlash(parent)}/${name}`;
    using above = CgroupFolder.open(parent, "options.parent");
    using failed = new DisposableStack();
    const folder = failed.use(above.make(name, path));
    failed.defer(() => folder.remove());
    tryHandOn(folder, ["memory", "pids"]);
    writeLimits(folder, path, settings);
    failed.move();
    return new Cgroup(path, folder, true);
  }

  /**
   * Opens a cgroup that is there already.
   *
   * @throws {SyscallError} `ENOENT` if there is no such folder.
   * @throws {TypeError} If it isn't that of a cgroup (version 2).
   */
  static open(path: string): Cgroup {
    checkCText("path", path);
    return new Cgroup(withoutSlash(path), CgroupFolder.open(path, "path"), false);
  }

  /** Whether it was closed or disposed of. */
  get closed(): boolean {
    return this.#folder.handle.closed;
  }

  /**
   * Lets go of the cgroup, which stays as it is, with all who are in it. Every method throws
   * `Deno.errors.BadResource` from then on.
   */
  close(): void {
    this.#folder[Symbol.dispose]();
  }

  /**
   * Sets limits, and leaves the others as they are. Each is read back: what the kernel doesn't take
   * over is an error. Limits of the cgroups above hold as well.
   *
   * @throws {SyscallError} If a controller is missing: the message names it, its file, and the one
   *   that doesn't hand it on. `EACCES` without the right to write there; `ENODEV` once it was
   *   removed.
   * @throws {UnsupportedError} If the kernel was built without; for the root of the hierarchy.
   * @throws {RangeError} If a value can't be meant.
   *
   * @example
   * ```ts ignore
   * import { Cgroup } from "@pidfd/util";
   *
   * await using cgroup = Cgroup.create();
   * cgroup.setLimits({ memory: 2 ** 30, swap: 0, processes: Infinity, cpus: 1.5, cpuWeight: 50 });
   * ```
   */
  setLimits(limits: CgroupLimits): void {
    writeLimits(this.#folder, this.path, checkCgroupLimits("limits", limits));
  }

  /**
   * What its processes have used so far, and how often a limit was hit.
   *
   * @throws {SyscallError} `ENODEV` once it was removed.
   */
  stats(): CgroupStats {
    return readStats(this.#folder);
  }

  /**
   * A handle on each process in it and below it, to be closed by the caller. Those that have ended
   * are none, nor are those that have no PID in this program's PID namespace.
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left; `EOPNOTSUPP` for a
   *   threaded one, which has threads only.
   */
  processes(): PidFd[] {
    using opened = new DisposableStack();
    const found = [...members(this.#folder)].map((pidfd) => opened.use(pidfd));
    opened.move();
    return found;
  }

  /**
   * Has all of its processes stand still; resolves once they do. A signal that a process handles
   * waits until {@linkcode Cgroup.thaw}; one that ends it by default, such as SIGTERM, ends it at
   * once. If the wait is aborted, they go on.
   *
   * One that is held up in the kernel (state D) stands still once it gets out of there.
   *
   * @throws {UnsupportedError} Before Linux 5.2.
   */
  async freeze(options: CgroupWaitOptions = {}): Promise<void> {
    const signal = checkWait(options);
    this.#folder.setFrozen(true);
    try {
      await this.#folder.until("frozen 1", signal);
    } catch (error) {
      this.#folder.setFrozen(false);
      throw error;
    }
  }

  /**
   * Has them go on; resolves once they do. As long as a cgroup above it is frozen, they don't.
   *
   * @throws {UnsupportedError} Before Linux 5.2.
   */
  async thaw(options: CgroupWaitOptions = {}): Promise<void> {
    const signal = checkWait(options);
    this.#folder.setFrozen(false);
    await this.#folder.until("frozen 0", signal);
  }

  /**
   * Kills all of its processes, and whoever is born or moved there meanwhile; resolves once there is
   * none. If this program is in it, it is killed, too.
   *
   * @throws {UnsupportedError} Before Linux 5.14, unless nobody is in it.
   * @throws {SyscallError} `EACCES` without the right to; `EOPNOTSUPP` for a threaded one.
   */
  async kill(): Promise<void> {
    await this.#folder.kill();
  }

  /** Resolves once no process is in it or below it, by its disposal as well, or it was removed. */
  async emptied(options: CgroupWaitOptions = {}): Promise<void> {
    const signal = checkWait(options);
    this.#folder.handle.check();
    try {
      await this.#folder.until("populated 0", signal);
    } catch (error) {
      // The disposal that closed it meanwhile has emptied it.
      if (!this.#isEmptied || !(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  /**
   * Kills who is in it; and if {@linkcode Cgroup.create} made it, removes it with all that are below
   * it. Then it is closed.
   *
   * @throws {UnsupportedError} Before Linux 5.14, unless nobody is in it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.#disposal ??= this.#dispose().finally(() => this.#disposal = undefined);
    await this.#disposal;
  }

  async #dispose(): Promise<void> {
    await this.#folder.kill();
    this.#isEmptied = true;
    if (this.#isMade) this.#folder.remove();
    this.#folder[Symbol.dispose]();
  }

  /** What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    const fields = () => ({ path: this.path, ...(this.closed ? { closed: true } : {}) });
    return show("Cgroup", fields, inspect, options);
  }
}

/** A cgroup, or the path of its folder. */
export function checkCgroup(name: string, cgroup: unknown): void {
  if (typeof cgroup === "string") checkCText(name, cgroup);
  else checkInstance(name, cgroup, "a Cgroup or a path", Cgroup);
}

/** A handle of the caller's own on a cgroup's folder. */
export function openFolder(name: string, cgroup: string | Cgroup): CgroupFolder {
  checkCgroup(name, cgroup);
  if (typeof cgroup === "string") return CgroupFolder.open(cgroup, name);
  return folderOf(cgroup).clone();
}

/** The path of this program's own cgroup. */
export function ownPath(): string {
  const path = findCgroupFolder(readTextFile(AT_FDCWD, "/proc/self/cgroup"));
  if (path !== null) return path;
  throw new UnsupportedError("cgroup2", "a mount of it that shows this program's cgroup");
}

/** A folder's path without a slash at its end. */
function withoutSlash(path: string): string {
  return path.replace(/(?<=[^/])\/+$/, "");
}

function checkName(name: string, value: unknown): void {
  checkCText(name, value);
  if (value === "" || value === "." || value === ".." || /[/\n]/.test(value)) {
    throw new TypeError(`${name} must be the name of a folder: ${showValue(value)}`);
  }
}

function checkWait(options: CgroupWaitOptions): AbortSignal | undefined {
  checkOptions("options", options, ["signal"]);
  checkAbortSignal("options.signal", options.signal);
  return options.signal;
}

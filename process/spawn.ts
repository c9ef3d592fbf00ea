/**
 * Starting processes so that they are held from their first instant.
 *
 * @module
 */

import { prepare } from "../ffi/readiness.ts";
import { setChildSubreaper } from "../ffi/syscalls.ts";
import { checkBoolean, checkInteger } from "../pidfd/arguments.ts";
import { ownChild, type PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { checkCgroup, openFolder } from "./cgroup.ts";
import { type Child, createChild } from "./child.ts";
import { resolveCommand } from "./command.ts";
import { Containment } from "./containment.ts";
import { type Bounds, endPlanOf } from "./ending.ts";
import { identityOf } from "./identity.ts";
import { checkLimits } from "./limits.ts";
import { optionsOf, type SpawnOptions } from "./options.ts";
import type { ChildPlan } from "./setup.ts";
import { start } from "./start.ts";
import { closeEnds, wire } from "./stdio.ts";

/**
 * Starts a process. Its handle is there from the first instant, and reaps it when it has ended,
 * but not in the same turn of the event loop: until then the PID is the process's in any case.
 *
 * It gets default signal actions, no blocked signal, and no descriptor but its standard
 * streams and those in `fds`. This program stands still until the process executes its command:
 * some 0.1 ms, longer if the process changes its user, for which it gets a copy of this
 * program's memory first.
 *
 * @param command A path if it has a slash in it; otherwise a name that is looked up in the PATH
 *   that the process gets.
 * @throws {SyscallError} If it can't be started. The message names the step that failed and what it
 *   was about: `spawn: chdir: ENOENT: No such file or directory (/nope)`. `syscall` is that
 *   step's call. Nothing is left behind.
 * @throws {TypeError} If an option is unknown or has the wrong type, or a string has a NUL byte or
 *   half of a surrogate pair in it.
 * @throws {RangeError} If an option has a value that it can't have.
 * @throws {UnsupportedError} If a sandbox allows neither of the calls that processes are born by
 *   with a pidfd, or no executable memory.
 *
 * @example
 * ```ts
 * import { spawn } from "@pidfd/util";
 *
 * await using child = spawn("echo", { args: ["hello"], stdout: "piped" });
 * const { success, stdout } = await child.output();
 * console.log(success, new TextDecoder().decode(stdout));
 * ```
 *
 * See {@link https://man7.org/linux/man-pages/man2/clone.2.html | clone(2)} and
 * {@link https://man7.org/linux/man-pages/man2/execve.2.html | execve(2)}.
 */
export function spawn(command: string | URL, options?: SpawnOptions): Child;
/**
 * Starts a process, with its arguments in place of `options.args`.
 *
 * @example
 * ```ts
 * import { spawn } from "@pidfd/util";
 *
 * await using child = spawn("sh", ["-c", "echo $((6 * 7))"], { noNewPrivileges: true });
 * console.log((await child.status).success);
 * ```
 */
export function spawn(
  command: string | URL,
  args: readonly string[],
  options?: Omit<SpawnOptions, "args">,
): Child;
export function spawn(
  command: string | URL,
  argsOrOptions?: readonly string[] | SpawnOptions,
  optionsBehind?: Omit<SpawnOptions, "args">,
): Child {
  const options = optionsOf(argsOrOptions, optionsBehind);
  const end = endPlanOf(options);
  end.signal?.throwIfAborted();
  const plan = { ...rightsOf(options), ...resolveCommand(command, options) };
  const { fds, ends, release } = wire(options);
  // Those that are closed in any case, and those that are the child's if there is one.
  using passing = new DisposableStack();
  using failed = new DisposableStack();
  passing.defer(release);
  failed.defer(() => closeEnds(ends));
  // Whatever can't be had to wait for the child is an error before there is one.
  prepare();
  const { bounds, ...place } = placeOf(options, passing, failed);
  const { pid, pidfd } = start({ ...plan, ...place, fds });
  const child = hold(pidfd, (owner) => createChild({ pid, owner, ends, bounds, end }));
  failed.move();
  return child;
}

/** Where the child is born, and what ends with it. */
function placeOf(
  { cgroup, contain = false }: SpawnOptions,
  passing: DisposableStack,
  failed: DisposableStack,
): Pick<ChildPlan, "cgroup" | "mark"> & { bounds: Bounds } {
  if (contain) {
    const containment = failed.use(Containment.create(cgroup));
    const { folder, mark } = containment;
    return { cgroup: folder?.fd, mark: mark?.limit, bounds: { containment } };
  }
  if (cgroup === undefined) return { bounds: {} };
  const folder = openFolder("options.cgroup", cgroup);
  // A Cgroup ends when whoever has it says so.
  const endsWithChild = typeof cgroup === "string";
  (endsWithChild ? failed : passing).use(folder);
  return { cgroup: folder.fd, bounds: endsWithChild ? { folder } : {} };
}

/** Checks what the child is among others, and what it may do. */
function rightsOf(
  options: SpawnOptions,
): Omit<ChildPlan, "path" | "argv" | "environment" | "fds" | "cgroup"> {
  const { cgroup, contain = false, detached = false, noNewPrivileges = false } = options;
  const { limits, nice, parentDeathSignal, processGroup, umask } = options;
  if (cgroup !== undefined) checkCgroup("options.cgroup", cgroup);
  checkBoolean("options.contain", contain);
  if (contain && limits?.rss !== undefined) {
    throw new TypeError("options.limits.rss must not be given with contain, which uses it");
  }
  checkBoolean("options.detached", detached);
  checkBoolean("options.noNewPrivileges", noNewPrivileges);
  if (processGroup !== undefined) {
    checkInteger("options.processGroup", processGroup, 0, 2 ** 31 - 1);
  }
  if (umask !== undefined) checkInteger("options.umask", umask, 0, 0o777);
  if (nice !== undefined) checkInteger("options.nice", nice, -20, 19);
  return {
    ...identityOf(options),
    session: detached,
    processGroup,
    umask,
    nice,
    limits: limits && checkLimits(limits),
    noNewPrivileges,
    parentDeathSignal: parentDeathSignal === undefined
      ? undefined
      : deadlySignal("options.parentDeathSignal", parentDeathSignal),
  };
}

/** The number of a signal that is one: 0 is none. */
function deadlySignal(name: string, signal: Signal): number {
  const number = signalNumber(name, signal);
  if (number === 0) throw new RangeError(`${name} must be a signal: ${signal}`);
  return number;
}

/** A child that can't be held after all does not stay. */
function hold(pidfd: number, use: (owner: PidFd) => Child): Child {
  const owner = ownChild(pidfd);
  try {
    return use(owner);
  } catch (error) {
    try {
      owner.kill();
      owner.waitSync();
    } finally {
      owner.close();
    }
    throw error;
  }
}

/**
 * Whether this program becomes the parent of descendants that lose theirs, in place of the
 * system's init. Then {@linkcode killTree} on {@linkcode PidFd.fromSelf} would find daemons,
 * too: nothing that this program has started can leave its tree. To end one child with all that it
 * has started it takes no subreaper: see {@linkcode SpawnOptions.contain}.
 *
 * Whoever turns it on has the duty to reap them: such a child's handle comes from
 * {@linkcode PidFd.fromPid}, and its `wait({ reap: true })`.
 *
 * See {@link https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html |
 * PR_SET_CHILD_SUBREAPER(2const)}.
 */
export function setSubreaper(on: boolean): void {
  checkBoolean("on", on);
  setChildSubreaper(on);
}

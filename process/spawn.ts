/**
 * Starting processes so that they are held from their first instant.
 *
 * @module
 */

import { prepare } from "../ffi/readiness.ts";
import type { TerminalSize } from "../ffi/terminals.ts";
import { setChildSubreaper } from "../ffi/syscalls.ts";
import { checkBoolean, checkInstance, checkInteger } from "../pidfd/arguments.ts";
import { ownChild, type PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { checkCgroup, openFolder } from "./cgroup.ts";
import { type Child, createChild, type Start } from "./child.ts";
import { resolveCommand, type ResolvedCommand } from "./command.ts";
import { Containment } from "./containment.ts";
import { type Bounds, closeBounds, endPlanOf } from "./ending.ts";
import { hasIdentity, identityOf, ROOT } from "./identity.ts";
import { inputOf } from "./input.ts";
import { checkLimits } from "./limits.ts";
import { type Namespaces, namespacesOf, Passage } from "./namespaces.ts";
import { optionsOf, type SpawnOptions } from "./options.ts";
import { unlessGone } from "./relatives.ts";
import type { ChildPlan } from "./setup.ts";
import { start } from "./start.ts";
import { startFailure } from "./start_failure.ts";
import { closeEnds, wire } from "./stdio.ts";
import { terminalSize } from "./terminal.ts";

/**
 * Starts a process. Its handle is there from the first instant, and reaps it when it has ended,
 * but not in the same turn of the event loop: until then the PID is the process's in any case. One
 * with `killOnClose` is reaped by the kernel, at its end.
 *
 * It gets default signal actions, no blocked signal, and no descriptor but its standard
 * streams and those in `fds`. This program stands still until the process executes its command:
 * some 0.1 ms, longer if the process changes its user, for which it gets a copy of this
 * program's memory first.
 *
 * @param command A path if it has a slash in it; otherwise a name that is looked up in the PATH
 *   that the process gets.
 * @throws {SyscallError} If it can't be started. The message names the command, the step that failed and
 *   what it was about: `Failed to spawn 'ls': No such cwd: chdir: ENOENT: No such file or
 *   directory (/nope)`. `syscall` is that step's call. It is an instance of the class that Deno
 *   throws, too: `Deno.errors.NotFound`, `PermissionDenied`, … Nothing is left behind.
 * @throws {TypeError} If an option is unknown or has the wrong type, or a string has a NUL byte or
 *   half of a surrogate pair in it.
 * @throws {RangeError} If an option has a value that it can't have.
 * @throws {UnsupportedError} If a sandbox allows neither of the calls that processes are born by
 *   with a pidfd, or no executable memory; for `killOnClose` before Linux 7.1.
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
  args: readonly (string | Uint8Array)[],
  options?: Omit<SpawnOptions, "args">,
): Child;
export function spawn(
  command: string | URL,
  argsOrOptions?: readonly (string | Uint8Array)[] | SpawnOptions,
  optionsBehind?: Omit<SpawnOptions, "args">,
): Child {
  return begin(command, optionsOf(argsOrOptions, optionsBehind), createChild);
}

/**
 * Starts a process, and hands it on with all that belongs to it.
 *
 * @param use Takes it over. If that fails, the process ends at once.
 */
export function begin<T>(
  command: string | URL,
  options: SpawnOptions,
  use: (start: Start) => T,
): T {
  const input = inputOf(options);
  const end = endPlanOf(options);
  end.signal?.throwIfAborted();
  const child = startChild(command, input ? { ...options, stdin: "piped" } : options);
  try {
    return hold(child.pidfd, (owner) => use({ ...child, owner, input, end }));
  } catch (error) {
    closeEnds(child.ends);
    closeBounds(child.bounds);
    throw error;
  }
}

/** A process that nobody holds so far. */
type Unheld = Pick<Start, "pid" | "ends" | "bounds"> & { readonly pidfd: number };

function startChild(command: string | URL, options: SpawnOptions): Unheld {
  const size = terminalSize(options.terminal);
  try {
    const namespaces = namespacesOf(options);
    const isElsewhere = namespaces?.nsenter.includes("mnt");
    const resolved = resolveCommand(command, options, isElsewhere);
    return startWired(rightsOf(options), resolved, namespaces, options, size);
  } catch (error) {
    throw startFailure(command, error);
  }
}

function startWired(
  rights: ReturnType<typeof rightsOf>,
  resolved: ResolvedCommand,
  namespaces: Namespaces | undefined,
  options: SpawnOptions,
  size: TerminalSize | undefined,
): Unheld {
  const { fds, inherited, ends, release } = wire(options, size);
  // What is closed in any case, and what is the child's if there is one.
  using passing = new DisposableStack();
  using failed = new DisposableStack();
  passing.defer(release);
  failed.defer(() => closeEnds(ends));
  // Whatever can't be had to wait for the child is an error before there is one.
  prepare();
  const { bounds, ...place } = placeOf(options, passing, failed);
  const passage = namespaces === undefined ? undefined : passing.use(new Passage(namespaces));
  const identity = passage?.becomesRoot && !hasIdentity(options) ? ROOT : {};
  const plan = { ...rights, ...identity, ...resolved, ...place, passage, fds, inherited };
  const { pid, pidfd } = start({ ...plan, terminal: ends.terminal?.far.fd });
  failed.move();
  return { pid, pidfd, ends, bounds };
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
): Omit<ChildPlan, keyof ResolvedCommand | "fds" | "inherited" | "cgroup"> {
  const { cgroup, contain = false, detached = false, killOnClose = false } = options;
  const { ignoreSignals, limits, nice, noNewPrivileges, parentDeathSignal } = options;
  const { processGroup, terminal, umask } = options;
  // A child with a terminal leads the session that the terminal controls.
  const leads = detached || Boolean(terminal);
  if (cgroup !== undefined) checkCgroup("options.cgroup", cgroup);
  checkBoolean("options.contain", contain);
  if (contain && limits?.rss !== undefined) {
    throw new TypeError("options.limits.rss must not be given with contain, which uses it");
  }
  checkBoolean("options.detached", detached);
  checkBoolean("options.killOnClose", killOnClose);
  if (noNewPrivileges !== undefined) {
    checkBoolean("options.noNewPrivileges", noNewPrivileges);
  }
  if (processGroup !== undefined) {
    checkInteger("options.processGroup", processGroup, 0, 2 ** 31 - 1);
    if (leads && processGroup !== 0) {
      const option = detached ? "options.detached" : "options.terminal";
      throw new TypeError(
        `options.processGroup must be 0 with ${option}: a session's leader leads a group, too`,
      );
    }
  }
  if (umask !== undefined) checkInteger("options.umask", umask, 0, 0o777);
  if (nice !== undefined) checkInteger("options.nice", nice, -20, 19);
  return {
    ...identityOf(options),
    session: leads,
    // A session's leader has a group of its own, and must not ask for one.
    processGroup: leads ? undefined : processGroup,
    umask,
    nice,
    limits: limits === undefined ? undefined : checkLimits(limits),
    noNewPrivileges,
    ignoredSignals: ignoreSignals === undefined ? undefined : ignorable(ignoreSignals),
    killOnClose,
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

/** The numbers of signals that are to be ignored. The kernel refuses those that can't be. */
function ignorable(signals: readonly Signal[]): number[] {
  checkInstance("options.ignoreSignals", signals, "an array", Array);
  return signals.map((signal, i) => deadlySignal(`options.ignoreSignals[${i}]`, signal));
}

/** A child that can't be held after all does not stay. */
function hold<T>(pidfd: number, use: (owner: PidFd) => T): T {
  const owner = ownChild(pidfd);
  try {
    return use(owner);
  } catch (error) {
    try {
      // One that the kernel reaps can be gone by now.
      unlessGone(() => owner.kill());
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
 * A program that turns it on has the duty to reap them: such a child's handle comes from
 * {@linkcode PidFd.fromPid}, and its `wait({ reap: true })`.
 *
 * See {@link https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html |
 * PR_SET_CHILD_SUBREAPER(2const)}.
 */
export function setSubreaper(on: boolean): void {
  checkBoolean("on", on);
  setChildSubreaper(on);
}

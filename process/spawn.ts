/**
 * Starting processes so that they are held from their first instant.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { SyscallError } from "../ffi/errors.ts";
import { exists } from "../ffi/files.ts";
import { prepare } from "../ffi/readiness.ts";
import { spawn as startPlan, type SpawnPlan } from "../ffi/spawn.ts";
import { setChildSubreaper } from "../ffi/syscalls.ts";
import { checkAbortSignal, checkBoolean, checkInteger } from "../pidfd/arguments.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import { ownChild, type PidFd } from "../pidfd/pidfd.ts";
import { Cgroup } from "./cgroup.ts";
import { type Child, createChild } from "./child.ts";
import { resolveCommand } from "./command.ts";
import { closeEnds, type Stdio, wire } from "./stdio.ts";

/** Options for {@linkcode spawn}: those of `Deno.Command` for `spawn()`, and more. */
export interface SpawnOptions {
  /** The arguments that follow the command's name. */
  args?: string[];
  /** What the program sees as its own name (`argv[0]`): the file's path unless told otherwise. */
  argv0?: string;
  /** Where it starts: this program's working directory unless told otherwise. */
  cwd?: string | URL;
  /** Environment variables, in addition to this program's own. */
  env?: Record<string, string>;
  /** Whether it gets `env` alone, and none of this program's own environment variables. */
  clearEnv?: boolean;
  /** Its standard input: `"inherit"` unless told otherwise. */
  stdin?: Stdio;
  /** Its standard output: `"inherit"` unless told otherwise. */
  stdout?: Stdio;
  /** Its standard error: `"inherit"` unless told otherwise. */
  stderr?: Stdio;
  /**
   * Further descriptors that it gets, by the number that they have there (3 or more): this is
   * how a pidfd is inherited.
   */
  fds?: Record<number, OwnedFd | PidFd | number>;
  /** Whether it leads a session of its own (setsid(2)), away from this program's terminal. */
  detached?: boolean;
  /** The process group that it joins (setpgid(2)); 0 for one of its own. */
  processGroup?: number;
  /**
   * The folder of the cgroup (version 2) that it is born into. Needs glibc 2.39, Linux 5.7, and
   * write access to the cgroup. Whoever disposes of the child ends all that is in the cgroup,
   * which needs Linux 5.14; until then a descriptor holds the folder.
   *
   * Best a new one for each: on some kernels (6.18.44; neither 6.12.117 nor 7.3.4) whoever is born
   * into it gets SIGKILL at once if `cgroup.kill` was used before, as disposal does if any process
   * is left there once the tree has ended.
   */
  cgroup?: string;
  /**
   * Ends the process, as {@linkcode PidFd.terminate} does, when it aborts. If the process refuses
   * that, as one with more rights can, it goes on, and {@linkcode Child.endError} tells why.
   */
  signal?: AbortSignal;
}

/**
 * Starts a process. Its handle is there from the first instant, and reaps it when it has ended,
 * but not in the same turn of the event loop: until then the PID is the process's in any case.
 *
 * It gets default signal actions, no blocked signal, and no descriptor but its standard
 * streams and those in `fds`.
 *
 * @param command A path if it has a slash in it; otherwise a name that is looked up in the PATH
 *   that the process gets.
 * @throws {SyscallError} If it can't be started: `ENOENT`, `EACCES`, `EMFILE`, …, with the path
 *   in the message. Nothing is left behind.
 * @throws {TypeError} If a string has a NUL byte in it, or an option has the wrong type.
 * @throws {UnsupportedError} For `cgroup` before glibc 2.39 and Linux 5.7.
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
 * See {@link https://man7.org/linux/man-pages/man3/posix_spawn.3.html | posix_spawn(3)}.
 */
export function spawn(command: string | URL, options: SpawnOptions = {}): Child {
  const { detached = false, processGroup, cgroup, signal } = options;
  checkBoolean("options.detached", detached);
  if (processGroup !== undefined) {
    checkInteger("options.processGroup", processGroup, 0, 2 ** 31 - 1);
  }
  checkAbortSignal("options.signal", signal);
  signal?.throwIfAborted();
  const resolved = resolveCommand(command, options);
  const { fds, ends, release } = wire(options);
  let group: Cgroup | undefined;
  try {
    // Whatever can't be had to wait for the child is an error before there is one.
    prepare();
    group = cgroup === undefined ? undefined : new Cgroup(cgroup);
    const plan = { ...resolved, fds, session: detached, processGroup, cgroup: group?.folder };
    return hold(start(plan), (owner) => createChild(owner, ends, group, signal));
  } catch (error) {
    closeEnds(ends);
    group?.[Symbol.dispose]();
    throw error;
  } finally {
    release();
  }
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

/** What runs a script without an interpreter line, as execvp(3) has it. */
const SHELL = "/bin/sh";

function start(plan: SpawnPlan): number {
  try {
    return startPlan(plan);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === "ENOEXEC") {
      return startPlan({ ...plan, path: SHELL, argv: [SHELL, plan.path, ...plan.argv.slice(1)] });
    }
    // What is wrong with the folder or with the file is one error; only a look tells them apart.
    if (plan.cwd === undefined || exists(`${plan.cwd}/.`)) throw error;
    throw failure(error.syscall, error.errno, {
      [error.errno]: `the working directory ${plan.cwd}`,
    });
  }
}

/**
 * Whether this program becomes the parent of descendants that lose theirs, in place of the
 * system's init. Then {@linkcode killTree} on {@linkcode PidFd.fromSelf} would find daemons,
 * too: nothing that this program has started can leave its tree.
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

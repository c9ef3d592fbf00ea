/**
 * The options of `spawn`, and the two forms of its call.
 *
 * @module
 */

import { checkCText, checkInstance, checkRecord, show } from "../pidfd/arguments.ts";
import { nearest } from "../pidfd/nearest.ts";
import type { OwnedFd } from "../pidfd/owned_fd.ts";
import type { NamespaceKind } from "../pidfd/namespaces.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import type { Signal } from "../pidfd/signals.ts";
import type { Cgroup } from "./cgroup.ts";
import type { EndOptions } from "./ending.ts";
import type { Limits } from "./limits.ts";
import type { NsenterOptions } from "./namespaces.ts";
import type { Stdio } from "./stdio.ts";
import type { TerminalOptions } from "./terminal.ts";

/** Options for {@linkcode spawn}: those of `Deno.Command` for `spawn()`, and more. */
export interface SpawnOptions {
  /**
   * The arguments that follow the command's name: texts, or bytes, as the name of a file need not be
   * UTF-8.
   */
  args?: (string | Uint8Array)[];
  /** What the program sees as its own name (`argv[0]`): the file's path unless told otherwise. */
  argv0?: string;
  /**
   * Where it starts: this program's working directory unless told otherwise. It is entered with the
   * rights of the child's user.
   */
  cwd?: string | URL;
  /**
   * Environment variables, in addition to this program's own. Without `--allow-env` the variables are
   * read from memory: if a worker sets one at that moment, the child can get a mixture of old and new.
   */
  env?: Record<string, string>;
  /** Whether it gets `env` alone, and none of this program's own environment variables. */
  clearEnv?: boolean;
  /** Its standard input: `"inherit"` unless told otherwise, or the terminal if it has one. */
  stdin?: Stdio;
  /**
   * What is written to its standard input, which then ends. Then `stdin` is piped. Bytes are not
   * copied: they must stay as they are until they are written.
   */
  input?: string | Uint8Array;
  /** Its standard output: `"inherit"` unless told otherwise, or the terminal if it has one. */
  stdout?: Stdio;
  /**
   * Its standard error: `"inherit"` unless told otherwise, or the terminal if it has one;
   * `"stdout"` for wherever that goes.
   */
  stderr?: Stdio | "stdout";
  /**
   * Further descriptors that it gets, by the number that they have there (3 or more): this is
   * how a pidfd is inherited.
   */
  fds?: Record<number, OwnedFd | PidFd | number>;
  /**
   * The signals that it ignores from its start on, unless it changes that: SIGHUP, as nohup(1) has it.
   * SIGKILL and SIGSTOP can't be ignored.
   */
  ignoreSignals?: readonly Signal[];
  /** Whether it leads a session of its own (setsid(2)), away from this program's terminal. */
  detached?: boolean;
  /**
   * The process group that it joins (setpgid(2)); 0 for one of its own, which it has with `detached`
   * and with `terminal` in any case.
   */
  processGroup?: number;
  /**
   * Whether it has a terminal of its own: {@linkcode Child.terminal} is what a person in front of
   * it sees and types. Those of its standard streams that no other option speaks of are that
   * terminal. It leads a new session and process group, as with `detached`, which the terminal
   * controls: Ctrl-C, job control and `/dev/tty` work. It can't join another `processGroup`.
   *
   * The environment isn't changed: what can't be displayed by what shows the terminal's output
   * takes another `TERM` (`env: { TERM: "dumb" }`).
   */
  terminal?: boolean | TerminalOptions;
  /**
   * The cgroup (version 2), or the path of its folder, that it is in from the beginning: it is born
   * there from Linux 5.7 on, and before it moves there before all else. That takes write access to
   * the cgroup.
   *
   * A {@linkcode Cgroup} ends when its owner says so. A path stands for a cgroup that is the child's
   * own: disposal of the child ends all that is in there, which needs Linux 5.14; until then a
   * descriptor holds the folder. With `contain` it is only where the child is.
   *
   * Best a new one for each: on some kernels (6.18.44; neither 6.12.117 nor 7.3.4) a process that is
   * born into it gets SIGKILL at once if `cgroup.kill` was used before, as disposal does if any
   * process is left there once the tree has ended.
   */
  cgroup?: string | Cgroup;
  /**
   * Whether all that it starts ends with it, however that detaches: at disposal, by
   * {@linkcode killTree} on its `pidfd`, after `timeout`, and by an abort of `signal`. Each of them
   * gets the signal of `end`, and SIGKILL after the grace. Ending by itself, the child ends nobody.
   *
   * `features().containment` tells by which means:
   *
   * - `"cgroup"`: a cgroup of its own, below `cgroup` or this program's own, where this program may
   *   make one (root; what was delegated to a service or a user), from Linux 5.14 on. It holds
   *   everything but a process that is moved to another cgroup by somebody who may do that, as a
   *   process of this program's own user often may.
   * - `"mark"`: a limit that limits nothing (`RLIMIT_RSS`, `ulimit -m`) marks all that it starts. That
   *   holds everything but a process that sets this limit itself, and then loses its parent. Those
   *   of other users go on where this program has no right to signal them.
   *
   * Neither holds what a service starts that the child asks to: cron, systemd, Docker.
   *
   * @throws {UnsupportedError} If there is neither.
   */
  contain?: boolean;
  /**
   * The ID of its user: real, effective and saved (setresuid(2)). Without `groups`, its
   * supplementary groups are dropped. A program that may not drop them can give its own `uid` alone:
   * then they stay.
   */
  uid?: number;
  /** The ID of its group: real, effective and saved (setresgid(2)). */
  gid?: number;
  /** Its supplementary groups (setgroups(2)). */
  groups?: readonly number[];
  /**
   * Its user by name, in place of `uid`, `gid` and `groups`: all three as getpwnam(3) and
   * getgrouplist(3) know them. The environment isn't changed: see `env`.
   */
  user?: string;
  /** Which permissions the files that it makes don't get (umask(2)): `0o077`. */
  umask?: number;
  /** Its niceness (setpriority(2)): −20, the most favourable, to 19. */
  nice?: number;
  /** Resource limits by prlimit(1)'s names; a number is both the soft and the hard limit. */
  limits?: Limits;
  /**
   * Whether neither it nor a descendant can gain privileges by what it executes, such as a
   * set-user-ID program
   * ({@link https://man7.org/linux/man-pages/man2/PR_SET_NO_NEW_PRIVS.2const.html |
   * PR_SET_NO_NEW_PRIVS(2const)}).
   */
  noNewPrivileges?: boolean;
  /**
   * The signal that the kernel sends it when the thread ends that called `spawn`, however that
   * comes: the main thread ends with the program, a worker's with the worker. A child that executes
   * a set-user-ID program gets none
   * ({@link https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html |
   * PR_SET_PDEATHSIG(2const)}).
   */
  parentDeathSignal?: Signal;
  /**
   * Whether the kernel kills it by SIGKILL when its last handle is closed, however this program
   * ends: by its last line, an error, `Deno.exit` or SIGKILL. What the child has started goes on.
   *
   * The first of its handles is the library's own, which is open until the child has ended, or the
   * program. `child.pidfd` is a duplicate of that, and so is each clone, and what another process
   * gets by `fds`, over a socket or by `getRemoteFd`. The child lives as long as any of them is open
   * anywhere. So it doesn't end when `child.pidfd` is closed, nor when the `Child` is garbage; and
   * it outlives this program where another one holds such a duplicate, until that one closes it.
   * A handle by `PidFd.fromPid`, `fromId`, `fromRef` or `FdSocket.peer` is no duplicate, and keeps
   * nothing alive.
   *
   * A worker's child goes on when the worker is terminated: `parentDeathSignal` ends it then.
   *
   * The kernel reaps the child. From its end on, its PID can be another process's, its status has
   * no `usage`, and no SIGCHLD is sent.
   *
   * Without CAP_SYS_ADMIN the child can't gain privileges, as if by `noNewPrivileges`, and with
   * `noNewPrivileges: false` it is not started (`EPERM`): or else anybody could kill a program that
   * has more rights.
   *
   * Needs Linux 7.1, with PIDFD_GET_INFO and clone3 not forbidden by a sandbox; see
   * `features().killOnClose`. Without, `spawn` throws an {@linkcode UnsupportedError} and starts
   * nothing. Source: CLONE_PIDFD_AUTOKILL in `<linux/sched.h>`.
   */
  killOnClose?: boolean;
  /**
   * The namespaces of which it gets new ones of its own, as unshare(1) makes them. With `"user"` an
   * ordinary user can have the others, too: there the process has the rights that they take until it
   * executes its program, and this program's user and group IDs alone are there, mapped to
   * themselves.
   *
   * - `"pid"`: the process is the first in there, with the PID 1. All that is in there ends with it.
   *   A signal from inside, or one but SIGKILL and SIGSTOP from outside, only reaches it if it
   *   handles that: SIGTERM ends no `sleep`. `/proc` is mounted anew by whoever wants to see it so.
   * - `"pid_for_children"`, `"time_for_children"`: as `unshare --pid` without `--fork`, its children
   *   alone are in there. A time namespace is from Linux 6.1 on also its own.
   * - `"mnt"`: what it mounts is to be seen in there alone, and what others mount is not.
   * - `"cgroup"`: the root is the cgroup that it is in.
   *
   * A system can forbid user namespaces to ordinary users, see `features().userNamespaces`: then
   * `spawn` throws a {@linkcode SyscallError} that names the setting. Time needs Linux 5.6, and a
   * sandbox that allows clone3.
   *
   * See {@link https://man7.org/linux/man-pages/man7/namespaces.7.html | namespaces(7)}.
   *
   * @example What root is where it is nobody else's
   * ```ts
   * import { features, spawnAndWait } from "@pidfd/util";
   *
   * if (features().userNamespaces) {
   *   const { stdoutText } = await spawnAndWait("sh", ["-c", "echo $$; ls /sys/class/net"], {
   *     unshare: ["user", "pid", "net"],
   *   });
   *   console.log(stdoutText.split("\n")[0]); // 1
   * }
   * ```
   */
  unshare?: readonly NamespaceKind[];
  /**
   * Another process whose namespaces it is started in, as nsenter(1) does it. This thread stays
   * where it is. The target's handle is enough, wherever it comes from: from a PID, an id, a socket.
   *
   * - `"pid"` puts the process itself in there. For that it is born by another one, which ends
   *   before `spawn` returns; `child.pid` is its PID here.
   * - `"user"`: it is root in there, as far as there is one, unless `uid`, `gid`, `groups` or `user`
   *   say otherwise. These, and `user`'s names, are looked up here, but count there.
   * - `"mnt"`: it starts in the root of the mount namespace unless `cwd` says otherwise, and its
   *   command is looked for in there.
   *
   * With `"user"` an ordinary user can enter what belongs to a user namespace of its own. Otherwise
   * that takes CAP_SYS_ADMIN. A namespace that this program is in is left out. `unshare` comes
   * behind: a new namespace of another kind is made in there.
   *
   * See {@link https://man7.org/linux/man-pages/man2/setns.2.html | setns(2)}.
   *
   * @example Look at a process's network from inside
   * ```ts
   * import { features, spawn, spawnAndWait } from "@pidfd/util";
   *
   * if (features().userNamespaces) {
   *   await using container = spawn("sleep", ["60"], { unshare: ["user", "net"] });
   *   const { stdoutText } = await spawnAndWait("cat", ["/proc/net/dev"], {
   *     nsenter: { target: container.pidfd, kinds: ["user", "net"] },
   *   });
   *   console.log(stdoutText.includes("lo:")); // true
   * }
   * ```
   */
  nsenter?: NsenterOptions;
  /**
   * Ends the process when it aborts, in the way that `end` tells. If the process refuses that, as
   * one with more rights can, it goes on, and {@linkcode Child.endError} tells why.
   */
  signal?: AbortSignal;
  /**
   * How long it may run, in milliseconds from its start. Then it is ended in the way that `end`
   * tells, and {@linkcode Child.timedOut} is true. A descendant can hold its output open for
   * longer: {@linkcode Child.output} has `waitDelay` for that.
   */
  timeout?: number;
  /** How it is ended: by an abort of `signal`, after `timeout`, and at disposal. */
  end?: EndOptions;
  /** An option of `Deno.Command` that means nothing on Linux. */
  windowsRawArguments?: boolean;
}

/** Every option. A record of all, so that none can be forgotten here. */
const KNOWN: Readonly<Record<keyof SpawnOptions, true>> = {
  args: true,
  argv0: true,
  cgroup: true,
  clearEnv: true,
  contain: true,
  cwd: true,
  detached: true,
  end: true,
  env: true,
  fds: true,
  gid: true,
  groups: true,
  ignoreSignals: true,
  input: true,
  killOnClose: true,
  limits: true,
  nice: true,
  noNewPrivileges: true,
  nsenter: true,
  parentDeathSignal: true,
  processGroup: true,
  signal: true,
  stderr: true,
  stdin: true,
  stdout: true,
  terminal: true,
  uid: true,
  timeout: true,
  umask: true,
  unshare: true,
  user: true,
  windowsRawArguments: true,
};

const NAMES = Object.keys(KNOWN) as readonly (keyof SpawnOptions)[];

/** The options of a call of either form, once none is unknown. */
export function optionsOf(
  first: readonly (string | Uint8Array)[] | SpawnOptions | undefined,
  second: Omit<SpawnOptions, "args"> | undefined,
): SpawnOptions {
  if (second === undefined && !Array.isArray(first)) {
    const options = read((first === undefined ? {} : first) as SpawnOptions);
    return {
      ...options,
      args: argumentsOf("options.args", options.args === undefined ? [] : options.args),
    };
  }
  const args = argumentsOf("args", first);
  const options = read(second === undefined ? {} : second);
  if (options.args !== undefined) {
    // The words are Deno's: programs that come from there may look for them.
    throw new TypeError(
      "Passing 'args' in options is not allowed when args are passed as a separate argument",
    );
  }
  return { ...options, args };
}

/** A copy of the arguments that is checked: what is checked is what the child gets. */
function argumentsOf(name: string, args: unknown): (string | Uint8Array)[] {
  checkInstance(name, args, "an array", Array);
  const copy = [...args as unknown[]];
  // By index: a hole is an argument, too, and no string.
  for (let i = 0; i < copy.length; i++) copy[i] = argumentOf(`${name}[${i}]`, copy[i]);
  return copy as (string | Uint8Array)[];
}

function argumentOf(name: string, value: unknown): string | Uint8Array {
  if (!(value instanceof Uint8Array)) {
    checkCText(name, value);
    return value;
  }
  if (value.includes(0)) {
    throw new TypeError(`${name} must not have a NUL byte in it: ${show(value)}`);
  }
  return value.slice();
}

/**
 * Reads every option once, and returns a record of all. A getter can give another value each time,
 * and a copy by spreading would lose the options that an object inherits: with `uid` lost, a
 * command would run as root.
 */
function read(options: SpawnOptions): SpawnOptions {
  checkRecord("options", options);
  for (const name in options) {
    if (Object.hasOwn(KNOWN, name) || !has(options, name)) continue;
    const near = nearest(name, NAMES);
    const advice = near === undefined ? "" : `: the nearest option is "${near}"`;
    throw new TypeError(`options.${name} is unknown${advice}`);
  }
  const record: Record<string, unknown> = {};
  for (const name of NAMES) record[name] = has(options, name) ? options[name] : undefined;
  return record;
}

/** Whether an object has a property of its own or inherits it, other than from `Object.prototype`. */
function has(object: object | null, name: string): boolean {
  // What other code has put there is in every object, and nobody's option.
  while (object !== null && object !== Object.prototype) {
    if (Object.hasOwn(object, name)) return true;
    object = Object.getPrototypeOf(object);
  }
  return false;
}

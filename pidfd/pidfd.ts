/**
 * The class that users hold. Each method is a few lines: it checks its arguments, sees that
 * the handle is open, and leaves the rest to the file that bears the idea's name.
 *
 * States: **open** until `close`, `intoFd` or garbage collection, then **closed** for good.
 * What an open handle can do depends on its process alone:
 *
 * | the process | signals      | who it is | wait, tryWait                      | exited   |
 * | ----------- | ------------ | --------- | ---------------------------------- | -------- |
 * | runs        | are sent     | is told   | wait; null                         | waits    |
 * | is a zombie | do nothing   | is told   | a child's status; a stranger waits | resolves |
 * | was reaped  | throw ESRCH  | ESRCH     | the status, or ECHILD              | resolves |
 *
 * On a closed handle every method but `close` throws `Deno.errors.BadResource`.
 *
 * A child's handle that is made after the child was reaped has no descriptor (`Child.pidfd`, if that
 * is asked for late). So `closed` is true from the beginning, and what is about the descriptor alone
 * throws BadResource. All else is as in the last line, until `close`.
 *
 * @module
 */

import { checkInstance } from "./arguments.ts";
import type { ExitStatus } from "./exit_status.ts";
import { FdHandle } from "./fd_handle.ts";
import {
  type Credentials,
  getCgroupId,
  getFacts,
  getId,
  getInfo,
  getPid,
  getPids,
  isSameProcess,
  type ProcessInfo,
} from "./info.ts";
import { customInspect, show, showProcess } from "./inspect.ts";
import {
  enterNamespaces,
  type NamespaceKind,
  openNamespace,
  ownPidNamespace,
} from "./namespaces.ts";
import {
  adoptFd,
  type FromPidOptions,
  openChild,
  openId,
  openPid,
  openRef,
  openSelf,
} from "./open.ts";
import { openRemoteFd, type OwnedFd, ownFd } from "./owned_fd.ts";
import { type ProcDir, withProcDir } from "./proc_dir.ts";
import { currentBootId, ProcessRef } from "./process_ref.ts";
import { sendSignal, type SendSignalOptions } from "./send_signal.ts";
import type { Signal } from "./signals.ts";
import { terminate, type TerminateOptions } from "./terminate.ts";
import {
  type ExitedOptions,
  ExitWatch,
  type Origin,
  type TryWaitOptions,
  type WaitOptions,
  type WaitSyncOptions,
} from "./wait.ts";

/** Makes handles for the floors above, which know more about a process than its fd. */
let create: (fd: number, origin: Origin) => PidFd;

/** The two parts of a handle, for files that do with them what users can't. */
export interface Parts {
  readonly handle: FdHandle;
  readonly exit: ExitWatch;
}

/** Gives the parts of a handle. */
export let partsOf: (pidfd: PidFd) => Parts;

/** The handle of a child that nothing else reaps. */
export function ownChild(fd: number): PidFd {
  return create(fd, { owned: true });
}

/**
 * A process, held as a file descriptor. Whatever is done through the handle is done to this
 * process or fails with `ESRCH`: never to another one that got the same PID later.
 *
 * A handle is closed by {@linkcode PidFd.close}, at the end of a `using` block, or when it is
 * garbage. From then on all its methods throw `Deno.errors.BadResource`. As long as a wait is
 * pending, the program goes on running.
 *
 * Needs `--allow-ffi` and Linux 5.4; where a method needs a newer kernel, it says so, and
 * throws an {@linkcode UnsupportedError} without.
 *
 * @example Hold a child, end it, and learn how it ended
 * ```ts
 * import { PidFd } from "@pidfd/util";
 *
 * const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
 * using pidfd = PidFd.fromChild(child);
 * pidfd.sendSignal("SIGTERM");
 * const { signal } = await pidfd.wait();
 * console.log(signal); // SIGTERM
 * ```
 *
 * See {@link https://man7.org/linux/man-pages/man2/pidfd_open.2.html | pidfd_open(2)}.
 */
export class PidFd implements Disposable {
  readonly #handle: FdHandle;
  readonly #exit: ExitWatch;

  private constructor(handle: FdHandle, exit: ExitWatch) {
    this.#handle = handle;
    this.#exit = exit;
  }

  static {
    create = (fd, origin) => {
      const handle = new FdHandle(fd, "PidFd");
      return new PidFd(handle, new ExitWatch(handle, origin));
    };
    partsOf = (pidfd) => ({ handle: pidfd.#handle, exit: pidfd.#exit });
  }

  /**
   * A handle on this program itself.
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  static fromSelf(): PidFd {
    return create(openSelf(), {});
  }

  /**
   * A handle on the process that has this PID now.
   *
   * If the PID comes from somewhere that could be out of date, pass the `id` too: then it is
   * certain whose handle it is. If it is one of another PID namespace, such as a program in a
   * container tells, pass that `namespace`.
   *
   * @throws {RangeError} If `pid` is not an integer in 1…2^31−1.
   * @throws {SyscallError} `ESRCH` if no process has the PID, or another one than that with
   *   the `id`; `EINVAL` or `ENOENT` if it is a thread's. With `namespace` before Linux 6.11 `EACCES`
   *   if it could be a process that this program may not look into.
   * @throws {TypeError} If `namespace` is no PID namespace.
   * @throws {UnsupportedError} For `id` and `thread` before Linux 6.9; for `namespace` before Linux
   *   6.11 without /proc, and together with `thread`.
   *
   * @example The first process of a container
   * ```ts
   * import { features, PidFd, spawn } from "@pidfd/util";
   *
   * if (features().userNamespaces) {
   *   await using container = spawn("sleep", ["60"], { unshare: ["user", "pid"] });
   *   using namespace = container.pidfd.getNamespace("pid");
   *   using init = PidFd.fromPid(1, { namespace });
   *   console.log(init.getPid() === container.pid); // true
   * }
   * ```
   */
  static fromPid(pid: number, options: FromPidOptions = {}): PidFd {
    return create(openPid(pid, options), {});
  }

  /**
   * A handle on a child that `Deno.Command` started. Take it in the same turn as `spawn()`:
   * Deno reaps its children by itself, and then they are gone.
   *
   * Waiting leaves the child to Deno: `child.status` resolves as ever. Where the kernel can't
   * tell how the child ended, `child.status` is asked.
   *
   * @throws {SyscallError} `ESRCH` if Deno has already reaped the child.
   */
  static fromChild(child: Deno.ChildProcess): PidFd {
    return create(openChild(child), { child });
  }

  /**
   * A handle on the process with this id, from {@linkcode PidFd.getId}. It can't be another.
   *
   * Needs Linux 6.14; from 6.9 on {@linkcode PidFd.fromPid} takes the id along with the PID.
   *
   * @throws {SyscallError} `ESTALE` if the process was reaped.
   * @throws {UnsupportedError} Before Linux 6.14.
   */
  static fromId(id: bigint): PidFd {
    return create(openId(id), {});
  }

  /**
   * A handle on the process that a reference was made of by {@linkcode PidFd.toRef}, in this PID
   * namespace or another one.
   *
   * From Linux 6.14 on it is found by its id. The text form has no boot's id, so that the PID has to
   * be right as well: one of those that the process has here and below. On Linux 6.9 to 6.13 it is
   * found by the PID, and so only in the PID namespace that the reference is from.
   *
   * @param ref The reference, or its text form.
   * @throws {SyscallError} `ESTALE` if it is from another boot; `ESRCH` if the process is gone, and
   *   nobody has its PID; `EREMCHG` if another process has it; `EREMOTE` if the reference is from
   *   another PID namespace, and the process is gone or not to be seen from here.
   * @throws {UnsupportedError} Before Linux 6.9.
   */
  static fromRef(ref: ProcessRef | string): PidFd {
    return create(openRef(ref), {});
  }

  /**
   * Takes over a pidfd that comes from elsewhere: inherited, received, or opened by other
   * code. It is made close-on-exec, and nothing else may close it from now on.
   *
   * @throws {RangeError} If `fd` is not an integer in 0…2^31−1.
   * @throws {TypeError} If the descriptor is not a pidfd; it is left as it was.
   * @throws {SyscallError} `EBADF` if there is no such descriptor.
   */
  static fromFd(fd: number): PidFd {
    return create(adoptFd(fd), {});
  }

  /** The descriptor's number, for calls outside this library; −1 if it is {@linkcode PidFd.closed}. */
  get fd(): number {
    return this.#handle.fd;
  }

  /**
   * Whether there is no descriptor: it was closed or given away, or there never was one, as the
   * process was a child and reaped before. The latter still tells the status.
   */
  get closed(): boolean {
    return this.#handle.fd < 0;
  }

  /**
   * Closes the descriptor. Pending waits reject with `Deno.errors.BadResource`. The process
   * itself goes on, unless this was the last handle of one that was started with `killOnClose`. A
   * second call does nothing.
   */
  close(): void {
    this.#handle.close();
  }

  /** As {@linkcode PidFd.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A second handle on the same process, with a descriptor of its own. It never reaps.
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  clone(): PidFd {
    const handle = this.#handle.clone();
    return new PidFd(handle, this.#exit.for(handle));
  }

  /**
   * Gives the descriptor away: whoever takes the number closes it. Pending waits reject.
   *
   * @throws {Deno.errors.BadResource} If there is none: see {@linkcode PidFd.closed}.
   */
  intoFd(): number {
    return this.#handle.release();
  }

  /**
   * Whether programs that this one executes get the descriptor: with `false` they do, under
   * the same number (fcntl(2), FD_CLOEXEC).
   */
  setCloseOnExec(on: boolean): void {
    this.#handle.setCloseOnExec(on);
  }

  /**
   * Whether the other handle stands for the same process.
   *
   * Before Linux 6.9 only processes that were not reaped can be compared.
   *
   * @throws {SyscallError} `ESRCH` before Linux 6.9, if one of them was reaped.
   */
  equals(other: PidFd): boolean {
    checkInstance("other", other, "a PidFd", PidFd);
    return isSameProcess(this.#handle, other.#handle);
  }

  /**
   * The process's PID; for a thread's handle, the thread's ID.
   *
   * @throws {SyscallError} `ESRCH` once it was reaped, `EREMOTE` or `ESRCH` if it has no PID
   *   in this program's PID namespace.
   */
  getPid(): number {
    return getPid(this.#handle.use());
  }

  /**
   * The process's PIDs in all PID namespaces that it is in: first that in this program's, last
   * that in its own, which is what `getpid` tells it. One number outside of containers.
   *
   * Read from /proc (NSpid), on every kernel.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}; `ENOENT` without /proc.
   *
   * @example What a process in a container calls itself
   * ```ts
   * import { PidFd } from "@pidfd/util";
   *
   * using self = PidFd.fromSelf();
   * console.log(self.getPids()); // [ 4711 ], or [ 4711, 1 ] for a container's first
   * ```
   *
   * See {@link https://man7.org/linux/man-pages/man7/pid_namespaces.7.html | pid_namespaces(7)}.
   */
  getPids(): number[] {
    return getPids(this.#handle);
  }

  /**
   * The PID of the process's parent; 0 if that has none in this PID namespace.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   */
  getPpid(): number {
    return getFacts(this.#handle).ppid;
  }

  /**
   * The process's id: a number that no other process has until the next boot. It stays
   * readable when the process is gone.
   *
   * Needs Linux 6.9 (pidfs: the inode number of the pidfd).
   *
   * @throws {UnsupportedError} Before.
   */
  getId(): bigint {
    return getId(this.#handle);
  }

  /**
   * A reference to the process that can be stored: {@linkcode PidFd.fromRef} finds the process
   * again, in this program or another, for as long as it is there.
   *
   * Needs Linux 6.9.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   * @throws {UnsupportedError} Before Linux 6.9.
   */
  toRef(): ProcessRef {
    const pid = this.getPid();
    return new ProcessRef(pid, this.getId(), currentBootId(), ownPidNamespace() ?? null);
  }

  /**
   * The id of the process's cgroup in the unified hierarchy: the inode number of its folder.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   * @throws {UnsupportedError} Before Linux 6.13, if no mount of cgroup2 shows the cgroup.
   */
  getCgroupId(): bigint {
    return getCgroupId(this.#handle);
  }

  /**
   * The process's user and group IDs.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   */
  getCreds(): Credentials {
    return getFacts(this.#handle).creds;
  }

  /**
   * All of the above, from one moment: from Linux 6.13 on by a single kernel call (and one
   * for the id, which never changes), before that by reading /proc.
   *
   * @example
   * ```ts
   * import { PidFd } from "@pidfd/util";
   *
   * using self = PidFd.fromSelf();
   * const info = self.getInfo();
   * console.log(info.pid === Deno.pid); // true
   * console.log(JSON.stringify(info)); // {"pid":4711,…,"id":"81234",…}
   * ```
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   */
  getInfo(): ProcessInfo {
    return getInfo(this.#handle);
  }

  /** Whether the process still runs: false for a zombie, and once it was reaped. */
  isAlive(): boolean {
    return !this.#exit.hasEnded();
  }

  /**
   * Sends a signal. 0 sends none, and only asks whether the process is still there: a zombie
   * is.
   *
   * @throws {RangeError} If there is no such signal on Linux.
   * @throws {SyscallError} `ESRCH` once the process was reaped; `EPERM` without the right to
   *   signal it.
   * @throws {UnsupportedError} For the targets `"thread"` and `"group"` before Linux 6.9.
   *
   * See {@link https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html | pidfd_send_signal(2)}.
   */
  sendSignal(signal: Signal, options?: SendSignalOptions): void {
    sendSignal(this.#handle, signal, options);
  }

  /**
   * Ends the process: sends SIGKILL, or another signal.
   *
   * @throws {SyscallError} As {@linkcode PidFd.sendSignal}.
   */
  kill(signal: Signal = "SIGKILL"): void {
    sendSignal(this.#handle, signal);
  }

  /**
   * Resolves with the process's exit status.
   *
   * Works for a child of this program, and never takes its status away from others unless
   * `reap` says so. From Linux 6.15 on it works for every process, once its parent has reaped
   * it. All waits of a program share one thread.
   *
   * A process can have ended while its status is kept back, by a tracer or by its parent. Such a
   * wait costs no CPU, and ends once the status can be told.
   *
   * @throws {SyscallError} `ECHILD` before Linux 6.15, when a process ended that is not a
   *   child of this program or was reaped by something else. {@linkcode PidFd.exited} works.
   * @throws {Deno.errors.BadResource} If the handle is closed meanwhile.
   *
   * See {@link https://man7.org/linux/man-pages/man2/waitid.2.html | waitid(2)}.
   */
  wait(options: WaitOptions = {}): Promise<ExitStatus> {
    return this.#exit.wait(options);
  }

  /**
   * Resolves once the process ended, be it a child or not, on every kernel.
   *
   * @throws {Deno.errors.BadResource} If the handle is closed meanwhile.
   */
  exited(options: ExitedOptions = {}): Promise<void> {
    return this.#exit.exited(options);
  }

  /**
   * As {@linkcode PidFd.wait}, but blocks the thread: nothing else runs until it returns.
   *
   * @throws {Deno.errors.TimedOut} If the status isn't known after `timeout`.
   * @throws {RangeError} If `timeout` is negative.
   * @throws {SyscallError} `ECHILD` as {@linkcode PidFd.wait}.
   */
  waitSync(options: WaitSyncOptions = {}): ExitStatus {
    return this.#exit.waitSync(options);
  }

  /**
   * The exit status if it is known by now. `null` for a process that runs, and for one that ended
   * while its status is kept back, by a tracer or by a parent that has not reaped it.
   *
   * @throws {SyscallError} `ECHILD` as {@linkcode PidFd.wait}.
   */
  tryWait(options: TryWaitOptions = {}): ExitStatus | null {
    return this.#exit.tryWait(options);
  }

  /**
   * Ends the process: asks it to by a signal, and kills it if it still runs after a while.
   * Resolves with the exit status as {@linkcode PidFd.wait} does; also if it had ended before.
   *
   * Its children are left alone: {@linkcode killTree} ends them, too.
   *
   * @throws {SyscallError} `EPERM` without the right to signal it; `ECHILD` as
   *   {@linkcode PidFd.wait}.
   * @throws {RangeError} If `grace` is negative, or there is no such signal.
   *
   * @example
   * ```ts
   * import { PidFd } from "@pidfd/util";
   *
   * const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
   * using pidfd = PidFd.fromChild(child);
   * console.log((await pidfd.terminate({ grace: 1000 })).signal); // SIGTERM
   * ```
   */
  terminate(options: TerminateOptions = {}): Promise<ExitStatus> {
    return terminate(this.#handle, this.#exit, options);
  }

  /**
   * One of the process's namespaces: to compare its inode, or to pass on.
   *
   * @throws {SyscallError} `ESRCH` once the process ended; `EACCES` without the right to look
   *   into it.
   *
   * See {@link https://man7.org/linux/man-pages/man7/namespaces.7.html | namespaces(7)}.
   */
  getNamespace(kind: NamespaceKind): OwnedFd {
    return ownFd(openNamespace(this.#handle, kind));
  }

  /**
   * Moves the calling thread into namespaces of the process: from then on what this program
   * does synchronously happens there, and so do the processes that it starts. `pid` and
   * `pid_for_children` are for those alone. There is no way back but a handle on this program's
   * own namespaces, taken before.
   *
   * After `pid` and `pid_for_children` the thread can start processes, but no threads (clone(2)),
   * and a program in which Deno needs one more ends with "unable to create worker threads". So
   * start what you want to have in there and go back at once, with no `await` in between:
   * `init.setNamespace("pid")`, `spawn(…)`, `self.setNamespace("pid")`.
   *
   * As every Deno program has several threads, Linux refuses it `mnt` and `user` with EINVAL,
   * `time` and `time_for_children` with EUSERS. Nor is there a way into a PID namespace that is
   * neither the program's own nor below it: EINVAL.
   *
   * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN; `ESRCH` once the process ended;
   *   `EINVAL`, `EUSERS` as above.
   *
   * See {@link https://man7.org/linux/man-pages/man2/setns.2.html | setns(2)}.
   */
  setNamespace(...kinds: NamespaceKind[]): void {
    enterNamespaces(this.#handle, kinds);
  }

  /**
   * A duplicate of a descriptor that the process has open, as if it had passed it on. The two
   * share the open file with its position and flags.
   *
   * Needs Linux 5.6, and the right to ptrace the process.
   *
   * @param targetFd The descriptor's number in the process.
   * @throws {SyscallError} `EBADF` if the process has no such descriptor; `EPERM` without the
   *   right; `ESRCH` once the process ended.
   * @throws {UnsupportedError} Before Linux 5.6.
   *
   * See {@link https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html | pidfd_getfd(2)}.
   */
  getRemoteFd(targetFd: number): OwnedFd {
    return openRemoteFd(this.#handle, targetFd);
  }

  /**
   * Gives access to the process's directory under /proc, for as long as `use` runs or until
   * the promise that it returns is settled.
   *
   * @example
   * ```ts
   * import { PidFd } from "@pidfd/util";
   *
   * using self = PidFd.fromSelf();
   * const name = self.accessProc((proc) => proc.readTextFile("comm").trim());
   * console.log(name);
   * ```
   *
   * @returns What `use` returns, if the process was there all the time.
   * @throws {SyscallError} `ESRCH` if the process was reaped meanwhile.
   */
  accessProc<T>(use: (proc: ProcDir) => T): T {
    return withProcDir(this.#handle, use);
  }

  /** @ignore What `console.log` shows. */
  [customInspect](inspect: typeof Deno.inspect, options: Deno.InspectOptions): string {
    return show("PidFd", () => showProcess(this), inspect, options);
  }
}

/**
 * The class that users hold. Each method is short: it checks its arguments, checks that the handle
 * is open, and calls the file that implements the operation.
 *
 * States: **open** until `close`, `intoFd` or garbage collection, then **closed** for good.
 * An open handle's abilities depend only on the state of its process:
 *
 * | the process | signals     | PID, IDs, … | wait, tryWait                         | exited     |
 * | ----------- | ----------- | ----------- | ------------------------------------- | ---------- |
 * | runs        | are sent    | available   | wait is pending, tryWait gives null   | is pending |
 * | is a zombie | do nothing  | available   | a child: the status; others: as above | resolves   |
 * | was reaped  | throw ESRCH | throw ESRCH | the status, or ECHILD                 | resolves   |
 *
 * On a closed handle every method but `close` throws `Deno.errors.BadResource`.
 *
 * One kind of handle never has a descriptor: `Child.pidfd`, first read after the child was reaped.
 * Its `closed` is true from the beginning, and methods that need the descriptor itself throw
 * BadResource. Until `close`, all other methods behave as in the last line of the table.
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

/** Makes handles for other files, which know the process's origin. */
let create: (fd: number, origin: Origin) => PidFd;

/** The internal parts of a handle, for other files of the library. */
export interface Parts {
  readonly handle: FdHandle;
  readonly exit: ExitWatch;
}

/** Returns the internal parts of a handle. */
export let partsOf: (pidfd: PidFd) => Parts;

/** The handle of a child that nothing else reaps. */
export function ownChild(fd: number): PidFd {
  return create(fd, { owned: true });
}

/**
 * A process, held as a file descriptor. Every operation acts on this process or fails with `ESRCH`.
 * It never acts on another process that got the same PID later.
 *
 * A handle is closed by {@linkcode PidFd.close}, at the end of a `using` block, or by garbage
 * collection. From then on all its methods throw `Deno.errors.BadResource`. A pending wait keeps
 * the program alive.
 *
 * Needs `--allow-ffi` and Linux 5.4. Where a method needs a newer kernel, it says so; on an older
 * kernel it throws an {@linkcode UnsupportedError}.
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
   * If the PID could be out of date, pass the `id` too: then the handle is certain to stand for the
   * process with that id. If the PID belongs to another PID namespace, for example because a
   * program in a container reported it, pass that `namespace`.
   *
   * @throws {RangeError} If `pid` is not an integer in 1…2^31−1.
   * @throws {SyscallError} `ESRCH` if no process has the PID, or the process that has it has
   *   another `id`; `EINVAL` or `ENOENT` if the PID is a thread's. With `namespace` before Linux
   *   6.11, `EACCES` if the process could be one that this program may not inspect.
   * @throws {TypeError} If `namespace` is not a PID namespace.
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
   * A handle on a child that `Deno.Command` started. Take it in the same turn of the event loop as
   * `spawn()`: Deno reaps its children by itself, and afterwards no handle can be opened.
   *
   * Waiting never reaps the child: `child.status` still resolves. Where the kernel can't tell how
   * the child ended, the status is taken from `child.status`.
   *
   * @throws {SyscallError} `ESRCH` if Deno has already reaped the child.
   */
  static fromChild(child: Deno.ChildProcess): PidFd {
    return create(openChild(child), { child });
  }

  /**
   * A handle on the process with this id, from {@linkcode PidFd.getId}. An id is never reused until
   * the next boot.
   *
   * Needs Linux 6.14. From 6.9 on, {@linkcode PidFd.fromPid} takes the id along with the PID.
   *
   * @throws {SyscallError} `ESTALE` if the process was reaped.
   * @throws {UnsupportedError} Before Linux 6.14.
   */
  static fromId(id: bigint): PidFd {
    return create(openId(id), {});
  }

  /**
   * A handle on the process that a reference from {@linkcode PidFd.toRef} names. The reference may
   * come from this PID namespace or another one.
   *
   * From Linux 6.14 on the process is found by its id. The text form has no boot id, so its PID
   * must match as well: it must be one of the process's PIDs in this PID namespace or one below. On
   * Linux 6.9 to 6.13 the process is found by its PID, so only in the PID namespace of the
   * reference.
   *
   * @param ref The reference, or its text form.
   * @throws {SyscallError} `ESTALE` if the reference is from another boot; `ESRCH` if the process
   *   is gone and no process has its PID; `EREMCHG` if another process has its PID; `EREMOTE` if
   *   the reference is from another PID namespace, and the process is gone or not visible from
   *   here.
   * @throws {UnsupportedError} Before Linux 6.9.
   */
  static fromRef(ref: ProcessRef | string): PidFd {
    return create(openRef(ref), {});
  }

  /**
   * Takes over a pidfd that was inherited, received, or opened by other code. It is made
   * close-on-exec. Nothing else may close it from now on.
   *
   * @throws {RangeError} If `fd` is not an integer in 0…2^31−1.
   * @throws {TypeError} If the descriptor is not a pidfd. It is then left unchanged.
   * @throws {SyscallError} `EBADF` if there is no such descriptor.
   */
  static fromFd(fd: number): PidFd {
    return create(adoptFd(fd), {});
  }

  /** The descriptor's number, for calls outside this library; −1 if {@linkcode PidFd.closed}. */
  get fd(): number {
    return this.#handle.fd;
  }

  /**
   * Whether there is no descriptor: it was closed or given away, or it never existed because the
   * child had already been reaped. In the last case the handle still tells the status.
   */
  get closed(): boolean {
    return this.#handle.fd < 0;
  }

  /**
   * Closes the descriptor. Pending waits reject with `Deno.errors.BadResource`. A second call does
   * nothing.
   *
   * The process itself keeps running. The exception is a child started with `killOnClose`: closing
   * its last handle kills it.
   */
  close(): void {
    this.#handle.close();
  }

  /** As {@linkcode PidFd.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A second handle on the same process, with its own descriptor. It reaps only with `reap: true`.
   *
   * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
   */
  clone(): PidFd {
    const handle = this.#handle.clone();
    return new PidFd(handle, this.#exit.for(handle));
  }

  /**
   * Gives the descriptor away: the caller must close it. Pending waits reject.
   *
   * @throws {Deno.errors.BadResource} If there is no descriptor: see {@linkcode PidFd.closed}.
   */
  intoFd(): number {
    return this.#handle.release();
  }

  /**
   * Sets or clears close-on-exec (fcntl(2), FD_CLOEXEC). With `false`, programs that this one
   * executes inherit the descriptor under the same number.
   */
  setCloseOnExec(on: boolean): void {
    this.#handle.setCloseOnExec(on);
  }

  /**
   * Whether the other handle stands for the same process.
   *
   * Before Linux 6.9 the comparison works only as long as neither process was reaped.
   *
   * @throws {SyscallError} `ESRCH` before Linux 6.9, if one of the processes was reaped.
   */
  equals(other: PidFd): boolean {
    checkInstance("other", other, "a PidFd", PidFd);
    return isSameProcess(this.#handle, other.#handle);
  }

  /**
   * The process's PID; for a thread's handle, the thread's ID.
   *
   * @throws {SyscallError} `ESRCH` once the process was reaped; `EREMOTE` or `ESRCH` if it has no
   *   PID in this program's PID namespace.
   */
  getPid(): number {
    return getPid(this.#handle.use());
  }

  /**
   * The process's PIDs, one for each PID namespace from this program's down to the process's own.
   * The last is the PID that the process itself gets from getpid(2). Outside of containers there is
   * only one.
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
   * The PID of the process's parent; 0 if the parent is not in this PID namespace.
   *
   * @throws {SyscallError} As {@linkcode PidFd.getPid}.
   */
  getPpid(): number {
    return getFacts(this.#handle).ppid;
  }

  /**
   * The process's id: a number that no other process gets until the next boot. It stays readable
   * after the process was reaped.
   *
   * Needs Linux 6.9 (pidfs: the inode number of the pidfd).
   *
   * @throws {UnsupportedError} Before Linux 6.9.
   */
  getId(): bigint {
    return getId(this.#handle);
  }

  /**
   * A reference to the process that can be stored. {@linkcode PidFd.fromRef} finds the process
   * again, in this program or another, until it is reaped.
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
   * @throws {UnsupportedError} Before Linux 6.13, if no cgroup2 mount contains the cgroup.
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
   * The process's PIDs, IDs, cgroup and core dump, all from one moment. From Linux 6.13 on this is
   * a single kernel call (and one for the id, which never changes); before, it reads /proc.
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

  /** Whether the process still runs: false once it is a zombie or was reaped. */
  isAlive(): boolean {
    return !this.#exit.hasEnded();
  }

  /**
   * Sends a signal. Signal 0 sends nothing: it only checks that the process was not reaped. A
   * zombie passes this check.
   *
   * @throws {RangeError} If there is no such signal on Linux.
   * @throws {SyscallError} `ESRCH` once the process was reaped; `EPERM` if this program may not
   *   signal it.
   * @throws {UnsupportedError} For the targets `"thread"` and `"group"` before Linux 6.9.
   *
   * See
   * {@link https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html | pidfd_send_signal(2)}.
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
   * Works for a child of this program. It does not reap the child unless `reap` is set, so other
   * code can still read the status. From Linux 6.15 on it works for every process, once its parent
   * has reaped it. All waits of a program share one thread.
   *
   * An ended process has no status yet while a tracer holds it, or while its parent has not reaped
   * it. The wait then goes on, without using CPU time, until the status is available.
   *
   * @throws {SyscallError} `ECHILD` before Linux 6.15, when a process ended that is not a child of
   *   this program, or that other code reaped. {@linkcode PidFd.exited} works for these.
   * @throws {Deno.errors.BadResource} If the handle is closed meanwhile.
   *
   * See {@link https://man7.org/linux/man-pages/man2/waitid.2.html | waitid(2)}.
   */
  wait(options: WaitOptions = {}): Promise<ExitStatus> {
    return this.#exit.wait(options);
  }

  /**
   * Resolves once the process ended. Works for every process, child or not, on every kernel.
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
   * The exit status, or `null` if it is not available yet: the process still runs, a tracer holds
   * it, or its parent has not reaped it.
   *
   * @throws {SyscallError} `ECHILD` as {@linkcode PidFd.wait}.
   */
  tryWait(options: TryWaitOptions = {}): ExitStatus | null {
    return this.#exit.tryWait(options);
  }

  /**
   * Ends the process: sends SIGTERM or another signal, and SIGKILL if it still runs after a grace
   * period. Resolves with the exit status as {@linkcode PidFd.wait} does, also if the process had
   * already ended.
   *
   * It does not signal the process's children: {@linkcode killTree} ends them, too.
   *
   * @throws {SyscallError} `EPERM` if this program may not signal it; `ECHILD` as
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
   * A descriptor of one of the process's namespaces. Compare its inode, or pass it on.
   *
   * @throws {SyscallError} `ESRCH` once the process ended; `EACCES` if this program may not inspect
   *   it.
   *
   * See {@link https://man7.org/linux/man-pages/man7/namespaces.7.html | namespaces(7)}.
   */
  getNamespace(kind: NamespaceKind): OwnedFd {
    return ownFd(openNamespace(this.#handle, kind));
  }

  /**
   * Moves the calling thread into namespaces of the process. From then on this program's
   * synchronous calls happen there, and new child processes start there. `pid` and
   * `pid_for_children` affect new children only. To come back, take a handle on this program itself
   * beforehand.
   *
   * After `pid` and `pid_for_children` the thread can start processes, but no threads (clone(2)).
   * If Deno needs one more thread, the program ends with "unable to create worker threads". So
   * start the children and go back at once, with no `await` in between: `init.setNamespace("pid")`,
   * `spawn(…)`, `self.setNamespace("pid")`.
   *
   * Every Deno program has several threads. Linux refuses such a program `mnt` and `user` with
   * EINVAL, `time` and `time_for_children` with EUSERS. It also refuses, with EINVAL, a PID
   * namespace that is neither the program's own nor below it.
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
   * A duplicate of a descriptor that the process has open, as if the process had sent it. Both
   * descriptors share the open file with its position and flags.
   *
   * Needs Linux 5.6, and the right to ptrace the process.
   *
   * @param targetFd The descriptor's number in the process.
   * @throws {SyscallError} `EBADF` if the process has no such descriptor; `EPERM` without the
   *   right to ptrace; `ESRCH` once the process ended.
   * @throws {UnsupportedError} Before Linux 5.6.
   *
   * See {@link https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html | pidfd_getfd(2)}.
   */
  getRemoteFd(targetFd: number): OwnedFd {
    return openRemoteFd(this.#handle, targetFd);
  }

  /**
   * Gives `use` access to the process's directory under /proc. The access ends when `use` returns,
   * or when the promise that it returns is settled.
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
   * @returns The result of `use`, if the process was not reaped meanwhile.
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

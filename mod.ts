/**
 * The Linux pidfd API: a process held as a file descriptor. No signal, wait or look-up can hit
 * another process that got the same PID later.
 *
 * Importing the module has no effects and needs no permission. The first call opens libc: this
 * needs `--allow-ffi`, and no other permission.
 *
 * @example
 * ```ts
 * import { PidFd } from "@pidfd/util";
 *
 * const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
 * using pidfd = PidFd.fromChild(child);
 * console.log(pidfd.getInfo());
 * pidfd.kill();
 * console.log(await pidfd.wait());
 * ```
 *
 * @module
 */

export { SyscallError, UnsupportedError } from "./ffi/errors.ts";
export type { ExitStatus, ResourceUsage } from "./pidfd/exit_status.ts";
export { FdListener, FdSocket } from "./ipc/fd_socket.ts";
export type { FdMessage } from "./ipc/message.ts";
export type {
  FdListenerAcceptOptions,
  FdSocketConnectOptions,
  FdSocketOptions,
  FdSocketReceiveOptions,
  FdSocketSendOptions,
} from "./ipc/options.ts";
export type { PeerCredentials } from "./ipc/peer.ts";
export type { CoreDump, Credentials, ProcessInfo } from "./pidfd/info.ts";
export type { NamespaceKind } from "./pidfd/namespaces.ts";
export { OwnedFd } from "./pidfd/owned_fd.ts";
export type { FromPidOptions } from "./pidfd/open.ts";
export { PidFd } from "./pidfd/pidfd.ts";
export { ProcDir } from "./pidfd/proc_dir.ts";
export { ProcessRef, type ProcessRefJson } from "./pidfd/process_ref.ts";
export type { Signal } from "./pidfd/signals.ts";
export type { SendSignalOptions } from "./pidfd/send_signal.ts";
export type { TerminateOptions } from "./pidfd/terminate.ts";
export type { ExitedOptions, TryWaitOptions, WaitOptions, WaitSyncOptions } from "./pidfd/wait.ts";
export { Cgroup, type CgroupCreateOptions, type CgroupWaitOptions } from "./process/cgroup.ts";
export type { CgroupLimits } from "./process/cgroup_limits.ts";
export type { CgroupStats } from "./process/cgroup_stats.ts";
export { Child } from "./process/child.ts";
export type { EndOptions } from "./process/ending.ts";
export type { ChildOutput } from "./process/child_output.ts";
export { type Features, features } from "./process/features.ts";
export type { OutputOptions } from "./process/output.ts";
export type { LimitName, LimitPair, Limits } from "./process/limits.ts";
export type { NsenterOptions } from "./process/namespaces.ts";
export type { SpawnOptions } from "./process/options.ts";
export { setSubreaper, spawn } from "./process/spawn.ts";
export { spawnAndWait, spawnAndWaitSync } from "./process/spawn_and_wait.ts";
export type { Stdio } from "./process/stdio.ts";
export { Terminal, type TerminalOptions } from "./process/terminal.ts";
export type { KilledProcess, KilledTree } from "./process/member.ts";
export { killTree, type KillTreeOptions } from "./process/tree.ts";

/**
 * Starting a process and getting its pidfd.
 *
 * fork and clone return twice, the second time into a copy of JavaScript's memory without
 * its threads: never from here. posix_spawn does it all in C, and tells what failed, up to
 * the execution itself, by its return value.
 *
 * - glibc 2.39: pidfd_spawn returns a pidfd in place of a PID, and a child can be born into
 *   a cgroup (CLONE_INTO_CGROUP, Linux 5.7).
 * - Before: the PID of a child that nobody has reaped belongs to nobody else, so that
 *   pidfd_open right after posix_spawn is as safe. The kernel itself reaps where SIGCHLD is
 *   ignored (sigaction(2)), as a program can be told to from its start on: no longer, then.
 *
 * @module
 */

import { cString, cStringArray } from "../structs/cstring.ts";
import { outInt, sigaction, sigset } from "../structs/spawn.ts";
import { attempt, check, failure } from "./call.ts";
import { cgroupSpawn } from "./capabilities.ts";
import { Errno } from "./errno.ts";
import { UnsupportedError } from "./errors.ts";
import { AT_FDCWD, discard, O_RDONLY, openat, readDirectory } from "./files.ts";
import { addressOf, environmentAddress, lastErrno, libc } from "./libc.ts";
import { POSIX_SPAWN_SETCGROUP, succeed, withObject } from "./spawn_objects.ts";
import { spawnLibc } from "./spawn_symbols.ts";
import { pidfdOpen } from "./syscalls.ts";

const POSIX_SPAWN_SETPGROUP = 0x02;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;

const O_RDWR = 2;
const SIGKILL = 9;
const SIGCHLD = 17;
const SIG_IGN = 1n;
const P_PID = 1;
const WNOHANG = 0x1;
const WEXITED = 0x4;
const WNOWAIT = 0x0100_0000;
const NULL_DEVICE = "/dev/null";

/** What a new process is to be. */
export interface SpawnPlan {
  /** The program's file. */
  readonly path: string;
  readonly argv: readonly string[];
  /** Lines of the form `NAME=value`; without them, this program's own environment. */
  readonly envp?: readonly (string | Uint8Array)[];
  /** Where it starts; without it, where this program is. */
  readonly cwd?: string;
  /** Each fd that it gets, and what it is a duplicate of: an fd of ours, or the null device. */
  readonly fds: ReadonlyMap<number, number | "null">;
  /** Whether it leads a new session. */
  readonly session: boolean;
  /** The process group that it joins; 0 for one of its own. */
  readonly processGroup?: number;
  /** An fd of the folder of the cgroup that it is born into. */
  readonly cgroup?: number;
}

/**
 * Starts a process and returns its pidfd. It has default signal actions, no signal blocked,
 * and no fd but those of the plan. posix_spawn(3)
 */
export function spawn(plan: SpawnPlan): number {
  if (plan.cgroup !== undefined) cgroupSpawn.require();
  keepChildren();
  const path = cString(plan.path, "command");
  const argv = cStringArray(plan.argv, "args", addressOf);
  const envp = plan.envp && cStringArray(plan.envp, "env", addressOf);
  const out = outInt.allocate();
  return withObject("posix_spawn_file_actions", (actions) => {
    addActions(actions, plan);
    return withObject("posix_spawnattr", (attributes) => {
      setAttributes(attributes, plan);
      const start = (name: "posix_spawn" | "pidfd_spawn") => {
        const command = [out.bytes, path, actions, attributes, argv] as const;
        const errno = envp
          ? spawnLibc()[name]?.(...command, envp)
          : spawnLibc()[`${name}_inheriting`]?.(...command, environmentAddress());
        return errno ?? Errno.ENOSYS;
      };

      const errno = start("pidfd_spawn");
      if (errno === 0) return out.fields.value;
      if (errno !== Errno.ENOSYS) throw failure("pidfd_spawn", errno, { [errno]: plan.path });

      // An fd for the pidfd is put by first: a child that can't be held must not be born.
      const reserved = openat(AT_FDCWD, NULL_DEVICE, O_RDONLY);
      const answer = start("posix_spawn");
      // That of glibc 2.31 is EPERM whatever clone failed with. errno has the reason, and also if
      // the child failed: until it executes it has this thread's memory, errno as well.
      const failed = answer === Errno.EPERM ? lastErrno() : answer;
      discard(reserved);
      if (failed !== 0) throw failure("posix_spawn", failed, { [failed]: plan.path });
      return pidfdOfChild(out.fields.value);
    });
  });
}

/** Has the kernel keep children that have ended until they are reaped. */
function keepChildren(): void {
  const action = sigaction.allocate();
  const { sigaction: call } = spawnLibc();
  check("sigaction", attempt(() => call(SIGCHLD, null, action.bytes)));
  if (action.fields.sa_handler !== SIG_IGN) return;
  const byDefault = sigaction.allocate().bytes;
  check("sigaction", attempt(() => call(SIGCHLD, byDefault, null)));
}

/** The pidfd of a child that was just born; where there is none to be had, the child ends. */
function pidfdOfChild(pid: number): number {
  try {
    return pidfdOpen(pid, 0);
  } catch (error) {
    // As long as it is a child of ours that nobody has reaped, the PID is nobody else's.
    const wait = (options: number) => attempt(() => libc().waitid(P_PID, pid, null, options));
    if (wait(WEXITED | WNOHANG | WNOWAIT) === 0 && spawnLibc().kill(pid, SIGKILL) === 0) {
      wait(WEXITED);
    }
    throw error;
  }
}

/** What the child does before it executes, in this order. */
function addActions(actions: Uint8Array<ArrayBuffer>, plan: SpawnPlan): void {
  const {
    posix_spawn_file_actions_adddup2: addDup2,
    posix_spawn_file_actions_addopen: addOpen,
    posix_spawn_file_actions_addchdir_np: addChdir,
  } = spawnLibc();
  for (const [target, source] of plan.fds) {
    const name = `fd ${target}`;
    if (source === "null") {
      succeed("addopen", addOpen(actions, target, cString(NULL_DEVICE, "path"), O_RDWR, 0), name);
    } else {
      // Where both are the same fd, this is what lets it through the execution.
      succeed("adddup2", addDup2(actions, source, target), name);
    }
  }
  addCloses(actions, plan.fds);
  if (plan.cwd !== undefined) {
    if (!addChdir) throw new UnsupportedError("posix_spawn_file_actions_addchdir_np", "glibc 2.29");
    succeed("addchdir_np", addChdir(actions, cString(plan.cwd, "cwd")));
  }
}

/** Closes what is not close-on-exec, as fds can be that other code of the program has opened. */
function addCloses(actions: Uint8Array<ArrayBuffer>, kept: SpawnPlan["fds"]): void {
  const {
    posix_spawn_file_actions_addclose: addClose,
    posix_spawn_file_actions_addclosefrom_np: addCloseFrom,
  } = spawnLibc();
  const end = Math.max(-1, ...kept.keys()) + 1;
  if (!addCloseFrom || kept.size < end) {
    for (const fd of ownFds()) {
      if (kept.has(fd) || (addCloseFrom && fd >= end)) continue;
      succeed("addclose", addClose(actions, fd));
    }
  }
  if (!addCloseFrom) return;
  const errno = addCloseFrom(actions, end);
  // Where the last number that the limit allows is taken, none can follow.
  if (errno !== Errno.EBADF) succeed("addclosefrom_np", errno);
}

/** The fds that this program has open, and one that was closed again. */
function ownFds(): number[] {
  const directory = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY);
  try {
    return readDirectory(directory).map(Number);
  } finally {
    discard(directory);
  }
}

/** What the child is, from the beginning. */
function setAttributes(attributes: Uint8Array<ArrayBuffer>, plan: SpawnPlan): void {
  const {
    posix_spawnattr_setflags: setFlags,
    posix_spawnattr_setsigdefault: setSigdefault,
    posix_spawnattr_setsigmask: setSigmask,
    posix_spawnattr_setpgroup: setPgroup,
    posix_spawnattr_setcgroup_np: setCgroup,
  } = spawnLibc();
  let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  // Deno ignores SIGPIPE; a program that doesn't would never end behind `| head`. And libc's own
  // sigfillset leaves out two signals, which posix_spawn would have the child ignore.
  const all = sigset.allocate().bytes.fill(0xff);
  succeed("setsigdefault", setSigdefault(attributes, all));
  succeed("setsigmask", setSigmask(attributes, sigset.allocate().bytes));
  if (plan.session) flags |= POSIX_SPAWN_SETSID;
  if (plan.processGroup !== undefined) {
    flags |= POSIX_SPAWN_SETPGROUP;
    succeed("setpgroup", setPgroup(attributes, plan.processGroup));
  }
  if (plan.cgroup !== undefined && setCgroup) {
    flags |= POSIX_SPAWN_SETCGROUP;
    succeed("setcgroup_np", setCgroup(attributes, plan.cgroup));
  }
  succeed("setflags", setFlags(attributes, flags));
}

/**
 * Starting processes that have something to do before they execute.
 *
 * @module
 */

import { duplicate } from "../../../../ffi/files.ts";
import {
  OwnedFd,
  PidFd,
  spawnAndWait,
  spawnAndWaitSync,
  type SpawnOptions,
} from "../../../../mod.ts";
import { isRoot } from "../../processes.ts";
import { hasTerminals, PTMX } from "../../terminal.ts";
import { type Operation, type Operations, plain } from "../operation.ts";
import { inCgroup, KILL_ON_CLOSE, start } from "../start.ts";

/** An operation whose child makes these calls for certain, besides the execution. */
function making(operation: Operation, ...calls: string[]): Operation {
  return { ...operation, childCalls: [...calls, "execve"] };
}

/** Runs a shell command. */
function shell(command: string, options: SpawnOptions = {}): Operation {
  return plain((keep) => start(keep, "/bin/sh", { args: ["-c", command], ...options }).status);
}

export const operations: Operations = {
  "spawn()": making(shell("exit 7")),
  "spawn() of what doesn't exist": making(plain((keep) => start(keep, "/nowhere/program").status)),
  "spawn() in a folder, in a session": making(
    shell("exit 7", { cwd: "/", detached: true }),
    ...["chdir", "setsid"],
  ),
  "spawn() in a process group": making(shell("exit 7", { processGroup: 0 }), "setpgid"),
  "spawn() with a descriptor": making(
    plain((keep) => {
      const fd = keep(new OwnedFd(duplicate(keep(PidFd.fromSelf()).fd)));
      return start(keep, "/bin/sh", { args: ["-c", "exit 7"], fds: { 7: fd } }).status;
    }),
    "dup3",
  ),
  "spawn() into a cgroup": making(
    inCgroup(({ path }, keep) =>
      start(keep, "/bin/sh", { args: ["-c", "exit 7"], cgroup: path }).status
    ),
  ),
  "spawn() with killOnClose": {
    ...making(shell("exit 7", { killOnClose: true, cwd: "/" }), "chdir"),
    needs: KILL_ON_CLOSE,
  },
  "spawn() with less than this program has": making(
    shell("exit 7", {
      ...{ umask: 0o77, nice: 19, limits: { core: 0 }, noNewPrivileges: true },
      parentDeathSignal: "SIGTERM",
    }),
    ...["umask", "setpriority", "prlimit64", "prctl", "getppid"],
  ),
  "spawn() as another user": {
    ...making(
      shell("exit 7", { uid: 65534, gid: 65534, groups: [] }),
      ...["setgroups", "setresgid", "setresuid"],
    ),
    needs: { what: "root", isThere: isRoot },
  },
  "spawn() on a terminal": {
    ...making(
      plain((keep) =>
        start(keep, "/bin/sh", { args: ["-c", "exit 7"], terminal: true, stdin: "null" }).status
      ),
      ...["setsid", "dup3"],
    ),
    needs: { what: PTMX, isThere: hasTerminals },
  },
  "spawn() on a terminal, as another user": {
    ...making(
      plain((keep) =>
        start(keep, "/bin/sh", { args: ["-c", "exit 7"], terminal: true, uid: 65534 }).status
      ),
      "fchown",
    ),
    needs: { what: `root and ${PTMX}`, isThere: isRoot && hasTerminals },
  },
  "Child.output()": making(
    plain(async (keep) => {
      const args = ["-c", "echo text"];
      const child = start(keep, "/bin/sh", { args, stdin: "piped", stdout: "piped" });
      return new TextDecoder().decode((await child.output()).stdout);
    }),
    "dup3",
  ),
  "spawnAndWait() with an input": making(
    plain(async () => (await spawnAndWait("/bin/cat", { input: "text" })).stdoutText),
    "dup3",
  ),
  "spawnAndWaitSync() with an input": making(
    plain(() => spawnAndWaitSync("/bin/cat", { input: "text" }).stdoutText),
    "dup3",
  ),
};

/**
 * Starting a child that is planned, with what differs by kernel and by the kind of its file.
 *
 * @module
 */

import { cgroupSpawn, killOnCloseSpawn } from "../ffi/capabilities.ts";
import { Errno } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/errors.ts";
import { discard, O_WRONLY, openat } from "../ffi/files.ts";
import { launch, type Launched } from "../ffi/launch.ts";
import { launchFailure } from "../ffi/launch_failure.ts";
import { type ChildPlan, childSeesItsParent, setUp } from "./setup.ts";

/** What runs a script without an interpreter line, as execvp(3) has it. */
const SHELL = "/bin/sh";

/**
 * Starts a child, and returns once it executes its program.
 *
 * @throws {SyscallError} If it can't be started, with the step that failed.
 * @throws {UnsupportedError} For `killOnClose` before Linux 7.1.
 */
export function start(plan: ChildPlan): Launched {
  if (plan.killOnClose) {
    killOnCloseSpawn.require("parentDeathSignal works before; nothing was started");
  }
  try {
    return startFile(plan);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOEXEC") throw error;
    const argv = [SHELL, plan.path, ...plan.argv.slice(1)];
    return startFile({ ...plan, path: SHELL, argv });
  }
}

function startFile(plan: ChildPlan): Launched {
  const { passage } = plan;
  if (passage === undefined) return startInPlace(plan);
  if (passage.givesWay && !childSeesItsParent()) {
    throw launchFailure("clone", Errno.EINVAL, "this thread has moved to another PID namespace");
  }
  for (;;) {
    try {
      return startInPlace(plan);
    } catch (error) {
      if (passage.reconsider(error)) continue;
      passage.explain(error);
      throw error;
    }
  }
}

function startInPlace(plan: ChildPlan): Launched {
  const { cgroup, uid, gid, killOnClose, noNewPrivileges, passage } = plan;
  const changesUser = uid !== undefined || gid !== undefined;
  const birth = {
    ...{ changesUser, killOnClose, noNewPrivileges },
    ownMemory: passage?.ownMemory,
    unshare: passage?.atBirth,
  };
  if (cgroup === undefined || cgroupSpawn.available) {
    return launch({ ...birth, steps: setUp(plan), cgroup });
  }
  // Before Linux 5.7 the child moves there, before it does anything else.
  const cgroupProcs = openat(cgroup, "cgroup.procs", O_WRONLY);
  try {
    return launch({ ...birth, steps: setUp(plan, cgroupProcs) });
  } finally {
    discard(cgroupProcs);
  }
}

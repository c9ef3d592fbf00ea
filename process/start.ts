/**
 * Starting a child that is planned, with what differs by kernel and by the kind of its file.
 *
 * @module
 */

import { cgroupSpawn } from "../ffi/capabilities.ts";
import { SyscallError } from "../ffi/errors.ts";
import { discard, O_WRONLY, openat } from "../ffi/files.ts";
import { launch, type Launched } from "../ffi/launch.ts";
import { type ChildPlan, setUp } from "./setup.ts";

/** What runs a script without an interpreter line, as execvp(3) has it. */
const SHELL = "/bin/sh";

/**
 * Starts a child, and returns once it executes its program.
 *
 * @throws {SyscallError} If it can't be started, with the step that failed.
 */
export function start(plan: ChildPlan): Launched {
  try {
    return startFile(plan);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOEXEC") throw error;
    const argv = [SHELL, plan.path, ...plan.argv.slice(1)];
    return startFile({ ...plan, path: SHELL, argv });
  }
}

function startFile(plan: ChildPlan): Launched {
  const { cgroup, uid, gid } = plan;
  const changesUser = uid !== undefined || gid !== undefined;
  if (cgroup === undefined || cgroupSpawn.available) {
    return launch({ steps: setUp(plan), changesUser, cgroup });
  }
  // Before Linux 5.7 the child moves there, before it does anything else.
  const cgroupProcs = openat(cgroup, "cgroup.procs", O_WRONLY);
  try {
    return launch({ steps: setUp(plan, cgroupProcs), changesUser });
  } finally {
    discard(cgroupProcs);
  }
}

/**
 * Whether a process can know how one ended that is not its child.
 *
 * @module
 */

import { exitInfo } from "../../ffi/capabilities.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { startShell } from "./children.ts";

/** Some kernels tell only of a process that was reaped whether they do. */
async function find(): Promise<boolean> {
  const child = startShell("exit 7");
  using pidfd = PidFd.fromPid(child.pid);
  await child.status;
  await pidfd.exited();
  try {
    return pidfd.tryWait()?.code === 7;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ECHILD") return false;
    throw error;
  }
}

const isTold = await find();

/** The first arguments of `needing` for a test of how processes end. */
export const TOLD = [exitInfo.since, isTold] as const;

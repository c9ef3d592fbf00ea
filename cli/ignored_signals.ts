/**
 * The signals that this program ignored when it was started, as by nohup(1) or by a shell that has put
 * it into the background: they stay ignored.
 *
 * Deno 2.9 handles SIGHUP, SIGINT, SIGTERM and SIGUSR1 itself from half a second after its start on,
 * whether they were ignored or not. So they are looked for before anything is waited for.
 *
 * @module
 */

import { AT_FDCWD, readTextFile } from "../ffi/files.ts";

/** The kernel's mask of them; undefined before the look, null without /proc. */
let mask: string | null | undefined;

/** Looks for them, once. */
export function ignoredMask(): string | null {
  if (mask === undefined) mask = readMask();
  return mask;
}

function readMask(): string | null {
  try {
    const status = readTextFile(AT_FDCWD, "/proc/self/status");
    return /^SigIgn:\s*([\da-f]+)$/m.exec(status)?.[1] ?? null;
  } catch {
    // Without /proc; or without the permission, which the command itself will ask for.
    return null;
  }
}

/** Whether a signal is in a mask as /proc/PID/status has it. proc_pid_status(5) */
export function isInMask(mask: string, signal: number): boolean {
  return (BigInt(`0x${mask}`) >> BigInt(signal - 1) & 1n) === 1n;
}

/**
 * Exit statuses as tests expect them. What a process has used is different each time: it is
 * compared in usage_test.ts alone.
 *
 * @module
 */

import type { ExitStatus } from "../../mod.ts";

export function exited(code: number): ExitStatus {
  const success = code === 0;
  return { success, code, signal: null, signalNumber: null, coreDumped: false, usage: null };
}

export function killed(
  signalNumber: number,
  signal: Deno.Signal | null,
  coreDumped = false,
): ExitStatus {
  const code = 128 + signalNumber;
  return { success: false, code, signal, signalNumber, coreDumped, usage: null };
}

/** How it ended, and no more. */
export function ended(status: ExitStatus | null): ExitStatus | null {
  return status && { ...status, usage: null };
}

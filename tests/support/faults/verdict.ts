/**
 * What is right for an operation that a call failed in.
 *
 * @module
 */

import { Errno } from "../../../ffi/errno.ts";
import { isAnswer } from "./answers.ts";
import { isSame, type Outcome } from "./protocol.ts";
import type { Observation } from "./subject.ts";
import type { Fault } from "./tracer.ts";

/** The names that errors have for calls that libc makes under another one. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  eventfd2: ["eventfd"],
  faccessat: ["access"],
  ppoll: ["poll"],
  sendto: ["send"],
  unlinkat: ["unlink", "unlinkat"],
};

/** What is wrong with what came of an operation; null if nothing is. */
export function complaint(
  operation: string,
  fault: Fault,
  expected: Outcome,
  { outcome, again, left }: Observation,
): string | null {
  const wrongs: string[] = [];
  if (!isRight(operation, fault, expected, outcome)) wrongs.push(`came to ${show(outcome)}`);
  if (again && !isSame(again, expected)) wrongs.push(`and then, without it, to ${show(again)}`);
  if (left.length > 0) wrongs.push(`left ${left.join(", ")}`);
  if (wrongs.length === 0) return null;
  return `${operation}, ${show(fault)}: ${wrongs.join("; ")}`;
}

/** It works as ever, or says what failed and why. */
function isRight(operation: string, fault: Fault, expected: Outcome, outcome: Outcome): boolean {
  if (isSame(outcome, expected) || isAnswer(operation, fault, outcome)) return true;
  const { error } = outcome;
  const { call, errno } = fault;
  if (errno === "EINTR") return false;
  if (error?.name === "UnsupportedError") return errno === "ENOSYS";
  if (error?.name !== "SyscallError" || error.errno !== Errno[errno]) return false;
  const names = NAMES[call] ?? [call];
  return names.some((name) => error.syscall === name || error.syscall?.startsWith(`${name}(`));
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

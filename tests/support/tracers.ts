/**
 * Processes under a tracer, which keeps their end from their parent.
 *
 * @module
 */

import { startHeld, startTalking, type TalkingChild } from "./children.ts";
import { ROOT } from "./processes.ts";

/** Has another process trace one. The end of its input is the end of the tracing. */
export async function seize(pid: number): Promise<TalkingChild> {
  const args = ["run", "--allow-ffi", "--no-check", `${ROOT}tests/support/seizer.ts`, String(pid)];
  const tracer = startTalking(Deno.execPath(), args);
  const answer = await tracer.line();
  if (answer === "seized") return tracer;
  await tracer[Symbol.asyncDispose]();
  throw new Error(`${pid} can't be traced: ${answer}`);
}

/** The first arguments of `needing` for a test that traces: a sandbox, or Yama, may forbid it. */
export const TRACING = ["the right to trace", await canTrace()] as const;

async function canTrace(): Promise<boolean> {
  await using held = startHeld();
  try {
    await using _tracer = await seize(held.child.pid);
    return true;
  } catch {
    return false;
  }
}

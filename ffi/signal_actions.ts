/**
 * The actions of this program's signals. rt_sigaction(2)
 *
 * It makes the system call directly: libc's sigaction refuses the two real-time signals that libc
 * uses internally.
 *
 * @module
 */

import { kernelSigaction } from "../structs/launch.ts";
import { attempt, check } from "./call.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { arch } from "./libc.ts";
import { NUMBERS, SIGNAL_SET_SIZE } from "./steps.ts";

/** `_NSIG` of `<asm-generic/signal.h>` */
const SIGRTMAX = 64;

/** The numbers of all signals. */
export const SIGNALS: readonly number[] = Array.from({ length: SIGRTMAX }, (_, i) => i + 1);

const SIG_IGN = 1n;

const action = kernelSigaction.allocate();

/** Whether this program ignores a signal. */
export function isIgnored(signal: number): boolean {
  check("rt_sigaction", rtSigaction(signal, null, action.bytes));
  return action.fields.sa_handler === SIG_IGN;
}

/** Gives a signal its default action. */
export function actByDefault(signal: number): void {
  check("rt_sigaction", rtSigaction(signal, kernelSigaction.allocate().bytes, null));
}

function rtSigaction(
  signal: number,
  act: Uint8Array<ArrayBuffer> | null,
  old: Uint8Array<ArrayBuffer> | null,
): number {
  const number = NUMBERS[arch()].rt_sigaction;
  const size = BigInt(SIGNAL_SET_SIZE);
  const { syscall_rt_sigaction } = launcherLibc();
  return attempt(() => syscall_rt_sigaction(number, signal, act, old, size));
}

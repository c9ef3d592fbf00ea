/**
 * What `pidfd run` does with signals to itself: three end the command, all others that it may want go on
 * to it.
 *
 * A signal that a terminal sends to its foreground process group has reached the command as well, which
 * is a member: it must not count twice there. Which signals those are can't be seen from the signal, so
 * it is taken from where this program is: SIGINT, SIGQUIT and SIGWINCH while its group has the
 * terminal, SIGHUP once the terminal is gone.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import { signalNumber } from "../pidfd/signals.ts";
import { isInMask } from "./ignored_signals.ts";
import { onSignals } from "./signals.ts";
import { ownPlace, parsePlace } from "./terminal.ts";

/** What ends the command, with all that it has started. */
export const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type EndingSignal = typeof ENDING[number];

/**
 * What goes on to the command. Not SIGTSTP, SIGTTIN and SIGTTOU, which stop this program as they stop
 * any other, nor what tells of a program's own faults.
 */
const PASSED_ON = [
  ...["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGALRM", "SIGVTALRM"] as const,
  ...["SIGPROF", "SIGIO", "SIGPWR", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGSTKFLT"] as const,
  ...["SIGABRT", "SIGTRAP", "SIGSYS"] as const,
];

/** What terminals send by a key, or by a change of their size. */
const BY_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];

/**
 * For how long a further signal can be an effect of the same event, in milliseconds: of a hang-up, the
 * kernel and the shell both tell, and some who end a service send several signals at once.
 */
const MOMENT = 250;

/** What is done beside passing signals on. */
export interface PassingOn {
  /** Takes SIGWINCH, in place of the command. */
  readonly onResize?: () => void;
  /** Is told what is passed on. */
  readonly tell: (text: string) => void;
}

/** The signals to this program. */
export class RunSignals {
  /** Resolves with the first that asks for an end. */
  readonly first: Promise<EndingSignal>;
  /** Resolves once another one shows that somebody doesn't want to wait. */
  readonly impatience: Promise<void>;
  readonly #hadTerminal = ownPlace()?.hasTerminal ?? false;
  #command: PidFd | undefined;
  #hooks: PassingOn | undefined;

  constructor() {
    const first = Promise.withResolvers<EndingSignal>();
    const impatience = Promise.withResolvers<void>();
    this.first = first.promise;
    this.impatience = impatience.promise;
    let cause: EndingSignal | undefined;
    let asked = 0;
    onSignals(ENDING, (signal) => {
      if (cause === undefined) {
        cause = signal;
        asked = performance.now();
        return first.resolve(signal);
      }
      // Nobody hangs up twice.
      if (signal === "SIGHUP" && cause === "SIGHUP") return;
      if (performance.now() - asked > MOMENT) impatience.resolve();
    });
    // Before the command is there: it can be signalled by somebody as soon as it is.
    onSignals(PASSED_ON, (signal) => this.#send(signal));
  }

  /** Sends all others on to the command, which was started in the same turn as this was made. */
  passOn(command: PidFd, hooks: PassingOn): void {
    this.#command = command;
    this.#hooks = hooks;
  }

  /** Whether the command is in this program's session, and its group can be signalled with ours. */
  hasReachedGroup(signal: Deno.Signal): boolean {
    const place = ownPlace();
    if (signal === "SIGHUP") return this.#hadTerminal && place?.hasTerminal === false;
    return BY_TERMINAL.includes(signal) && place?.isInForeground === true;
  }

  #send(signal: Deno.Signal): void {
    const command = this.#command;
    if (command === undefined) return;
    if (signal === "SIGWINCH" && this.#hooks?.onResize) return this.#hooks.onResize();
    if (hasGot(command, signal, this.hasReachedGroup(signal))) return;
    try {
      command.sendSignal(signal);
      this.#hooks?.tell(`passed ${signal} on`);
    } catch (error) {
      // It has ended, or has more rights than this program: then it gets no signal of ours.
      if (!(error instanceof SyscallError)) throw error;
    }
  }
}

/**
 * Whether a process got a signal that this program got.
 *
 * @param isToGroup Whether the signal was sent to this program's group.
 */
export function hasGot(process: PidFd, signal: Deno.Signal, isToGroup: boolean): boolean {
  try {
    return process.accessProc((proc) => {
      const { state, group } = parsePlace(proc.readTextFile("stat"));
      // A shell that has a job go on tells all of it. One that runs needs no telling.
      if (signal === "SIGCONT") return !["T", "t"].includes(state);
      return isToGroup && group === ownPlace()?.group &&
        catches(proc.readTextFile("status"), signal);
    });
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

/** Whether a process has a handler for a signal. To any other, a second one does nothing new. */
function catches(status: string, signal: Deno.Signal): boolean {
  const mask = /^SigCgt:\s*([\da-f]+)$/m.exec(status)?.[1] ?? "0";
  return isInMask(mask, signalNumber("signal", signal));
}

/**
 * What `pidfd run` does from the start of the command to its own end: it waits for the first reason to
 * end the command, ends it with all that it has started, and tells how it was.
 *
 * @module
 */

import { PidFd } from "../pidfd/pidfd.ts";
import type { Cgroup } from "../process/cgroup.ts";
import type { Child } from "../process/child.ts";
import { after } from "./durations.ts";
import { CommandEnding, type Ended } from "./ending.ts";
import { FAILED, TIMED_OUT } from "./failures.ts";
import { nameOf, sayRefused } from "./members.ts";
import { hasChildren, reapOrphans } from "./orphans.ts";
import { say, stderr } from "./output.ts";
import type { RunPlan } from "./run_options.ts";
import { ENDING, type EndingSignal, hasGot, type RunSignals } from "./run_signals.ts";
import { identityOf, type Subject } from "./subject.ts";

/** Why a command is ended. */
type Cause = EndingSignal | "timeout" | "parent";

/** How long a signal that hit this program and the command at once may need to be seen here, in ms. */
const TURN = 10;

/**
 * The same, where a key of the terminal may have sent it: a busy system can need that long. If the key
 * were missed, a loop in a script would go on after Ctrl-C.
 */
const TURN_OF_KEY = 1000;

/** How long what a command has written last may take to be shown, in milliseconds. */
const LAST_OUTPUT = 1000;

/** How long an end that a signal asked for may take before it is worth a word, in milliseconds. */
const WORTH_A_WORD = 1000;

/** A command that was started, and what belongs to it. */
export interface Running {
  readonly child: Child;
  /** Whether it has a cgroup of its own, in which all is that it has started. */
  readonly contained: boolean;
  /** The cgroup that limits it. */
  readonly cgroup?: Cgroup;
  /** Its command line. */
  readonly command: string;
  readonly plan: RunPlan;
  readonly signals: RunSignals;
  /** Resolves once the parent of this program has ended, if that is a reason to end. */
  readonly parent?: Promise<"parent">;
  /** What connects its terminal with this one, if it has one of its own. */
  readonly pty?: typeof import("./pty.ts");
}

/** How this program ends. */
export interface Outcome {
  readonly code: number;
  /** The signal that it ends by. */
  readonly diesBy?: Deno.Signal;
}

/**
 * Sees to the command until nothing of it is left. Resolves with how this program ends. To be called in the same
 * turn as the command was started.
 */
export async function supervise(running: Running): Promise<Outcome> {
  const { child, plan, contained, cgroup } = running;
  const { grace, keep } = plan;
  const place = cgroup?.path ?? plan.cgroup;
  const ending = new CommandEnding(child, { grace, keep, contained, cgroup: place });
  try {
    const outcome = await seeToItsEnd(running, ending);
    // Nobody is in its cgroup any more, which is removed.
    if (contained) await child[Symbol.asyncDispose]();
    return outcome;
  } catch (error) {
    // Whatever went wrong here, the command doesn't outlive it.
    await ending.end("SIGKILL", { impatience: Promise.resolve() });
    throw error;
  }
}

async function seeToItsEnd(running: Running, ending: CommandEnding): Promise<Outcome> {
  const { child, command, plan, signals, pty, cgroup } = running;
  const tell = plan.verbose ? say : () => {};
  using relay = pty && new pty.Relay(child.terminal!);
  signals.passOn(child.pidfd, { tell, onResize: relay && (() => relay.resize()) });
  if (!plan.keep) reapOrphans(child);
  const began = performance.now();
  const wallTime = child.status.then(() => performance.now() - began);
  const subject = { ...identityOf(child.pidfd, child.pid), command };
  tell(`started ${subject.ref} (${command})`);

  const cause = await causeOf(running);
  const ended = cause === null
    ? await endRest(ending, running)
    : await endAll(ending, cause, running);
  for (const { pid, command } of ended.ended) tell(`${nameOf(pid, command)} ended`);
  sayRefused(ended.refused);
  if (ended.refused.length > 0) return { code: FAILED };
  const status = await child.status;
  if (relay) {
    // What was told to end is not waited for, nor what daemons have to say.
    const time = cause === null && !plan.keep ? Infinity : LAST_OUTPUT;
    await Promise.race([relay.shown, signals.first, pause(time)]);
    relay[Symbol.dispose]();
  }
  if (plan.report) await tellAll(plan.report, { subject, status, cause, ended, wallTime, cgroup });
  if (cause === "timeout" && !plan.preserveStatus) return { code: TIMED_OUT };
  if (cause === null || status.signal !== cause) return { code: status.code };
  await stderr.flushed(LAST_OUTPUT);
  return { code: status.code, diesBy: status.signal };
}

/** Resolves with what ends the command, or null once it has ended by itself. */
async function causeOf({ child, plan, signals, parent }: Running): Promise<Cause | null> {
  const { promise: timedOut, resolve } = Promise.withResolvers<"timeout">();
  const timer = plan.timeout === Infinity
    ? undefined
    : after(plan.timeout, () => resolve("timeout"));
  const ended = child.status.then(async ({ signal }) => {
    // Ctrl-C hits the command, too, and its end must not be seen first.
    if (isEnding(signal)) await pause(signals.hasReachedGroup(signal) ? TURN_OF_KEY : TURN);
    return null;
  });
  try {
    const others = parent === undefined ? [] : [parent];
    return await Promise.race([signals.first, timedOut, ended, ...others]);
  } finally {
    timer?.cancel();
  }
}

function isEnding(signal: string | null): signal is EndingSignal {
  return (ENDING as readonly (string | null)[]).includes(signal);
}

/** Resolves once the parent of this program has ended. */
export function parentsEnd(): Promise<"parent"> {
  using self = PidFd.fromSelf();
  const ppid = self.getPpid();
  // It is in another PID namespace, or the system's first process, which doesn't end.
  if (ppid === 0) return new Promise(() => {});
  const parent = PidFd.fromPid(ppid);
  // It can have ended before, and the PID can be another one's.
  if (self.getPpid() !== ppid) return Promise.resolve("parent");
  return parent.exited().then(() => "parent");
}

/** Ends the command with all that it has started. */
function endAll(ending: CommandEnding, cause: Cause, running: Running): Promise<Ended> {
  if (isEnding(cause)) return endOnSignal(ending, cause, running);
  const { plan, signals: { impatience } } = running;
  const signal = cause === "timeout" ? plan.signal : "SIGTERM";
  const ended = ending.end(signal, { impatience, onKill: () => sayKilled(plan) });
  say(cause === "timeout" ? `ending after ${plan.timeoutText}…` : "ending with its parent…");
  return ended;
}

function endOnSignal(
  ending: CommandEnding,
  cause: EndingSignal,
  { plan, signals }: Running,
): Promise<Ended> {
  const again = cause === "SIGINT" ? "Ctrl-C again" : "another signal";
  const word = after(WORTH_A_WORD, () => say(`ending on ${cause}…; ${again} kills at once`));
  const isToGroup = !plan.pty && signals.hasReachedGroup(cause);
  const ended = ending.end(cause, {
    impatience: signals.impatience,
    hasGot: (process) => hasGot(process, cause, isToGroup),
    onKill: () => {
      word.cancel();
      sayKilled(plan);
    },
  });
  return ended.finally(() => word.cancel());
}

function sayKilled({ graceText }: RunPlan): void {
  say(`killed after ${graceText} more`);
}

/** Ends what a command has left that ended by itself. */
function endRest(ending: CommandEnding, { plan, signals }: Running): Promise<Ended> {
  if (plan.keep || !hasChildren()) {
    return Promise.resolve({ refused: [], killed: false, ended: [] });
  }
  const word = after(WORTH_A_WORD, () => say("ending what the command has left…"));
  return ending.end("SIGTERM", { impatience: signals.first }).finally(() => word.cancel());
}

/** Tells how the run was. */
async function tellAll(form: "text" | "json", { wallTime, ended, cgroup, ...run }: {
  subject: Subject;
  status: Awaited<Child["status"]>;
  cause: Cause | null;
  ended: Ended;
  wallTime: Promise<number>;
  cgroup?: Cgroup;
}): Promise<void> {
  const { report } = await import("./report.ts");
  const memoryPeak = cgroup?.stats().memoryPeak ?? undefined;
  report({ ...run, wallTime: await wallTime, killed: ended.killed, memoryPeak }, form);
}

/** Resolves after so many milliseconds, or never. */
function pause(time: number): Promise<void> {
  return new Promise((resolve) => time === Infinity || after(time, resolve));
}

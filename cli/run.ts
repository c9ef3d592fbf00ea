/**
 * `pidfd run`: a command that ends with all it has started, whoever ends it.
 *
 * While it runs, this program is a subreaper (prctl(2)): descendants that lose their parents
 * become its children. So it finds them all when it has to end them, and has the duty to reap
 * them.
 *
 * @module
 */

import type { ExitStatus } from "../pidfd/exit_status.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import type { Child } from "../process/child.ts";
import type { SpawnOptions } from "../process/options.ts";
import { setSubreaper, spawn } from "../process/spawn.ts";
import { type Command, UsageError } from "./command.ts";
import { after } from "./durations.ts";
import { CommandEnding, type Ended } from "./ending.ts";
import { FAILED, TIMED_OUT } from "./failures.ts";
import { hasChildren, reapOrphans } from "./orphans.ts";
import { say, stderr } from "./output.ts";
import { parse } from "./parse.ts";
import { inheritedFds, originalOpenFiles, rawArguments } from "./passing_on.ts";
import { OPTIONS, readPlan, type RunPlan } from "./run_options.ts";
import { ENDING, type EndingSignal, hasGot, RunSignals } from "./run_signals.ts";
import { dieBy, ignoredSignals } from "./signals.ts";
import { startFailure } from "./start_failure.ts";
import { identityOf } from "./subject.ts";

/** Why a command is ended. */
type Cause = EndingSignal | "timeout" | "parent";

/** How long a signal that hit this program and the command at once may need to be seen here, in ms. */
const TURN = 10;

/** How long what a command has written last may take to be shown, in milliseconds. */
const LAST_OUTPUT = 1000;

/** How long an end that a signal asked for may take before it is worth a word, in milliseconds. */
const WORTH_A_WORD = 1000;

export const run: Command = {
  name: "run",
  usage: "[OPTION…] [--] COMMAND [ARGUMENT…]",
  kind: "command",
  description: [
    "Runs a command with this program's standard streams and all other descriptors that it was " +
    "started with, and exits with its status. What the command has started ends with it, daemons as " +
    "well.",
    "When the time is up, or on SIGINT, SIGTERM or SIGHUP, the command and all its descendants get that " +
    "signal (SIGTERM when the time is up), and SIGKILL after the grace. Another such signal kills them " +
    "at once, unless it comes within a quarter of a second. Other signals go on to the command alone.",
    "A key of the terminal, such as Ctrl-C, signals the command itself, and pidfd doesn't repeat it. It " +
    "takes SIGINT for such a key while it has the terminal, whoever sent it.",
  ],
  options: OPTIONS,
  runsAnother: true,
  exitCode:
    "the command's, or 128 + n if signal n killed it; 124 if the time was up; 125 if pidfd " +
    "failed; 126 if the command can't be executed; 127 if it isn't found.",
  examples: [
    "pidfd run --timeout 10m -- make test",
    "pidfd run -t 30 -k 1 sh -c 'server & client'",
    "pidfd run --user www-data --limit nofile=4096 --no-new-privileges server",
  ],
  run: runCommand,
};

async function runCommand(args: string[]): Promise<number> {
  const given = parse(args, run);
  const [name, ...rest] = rawArguments(given.positionals);
  if (name === undefined) throw new UsageError("a command is needed");
  if (typeof name !== "string") throw new UsageError("the command's name isn't UTF-8");
  const plan = readPlan(given);
  const pty = plan.pty ? await import("./pty.ts") : undefined;
  // From here to the start without a break: what this program was started with must not change before
  // it is looked at, and no signal comes between.
  const fds = inheritedFds();
  const ignored = ignoredSignals();
  const signals = new RunSignals();
  if (!plan.keep) setSubreaper(true);
  const parent = plan.dieWithParent ? parentsEnd() : undefined;
  const terminal = pty && (pty.ownSize() ?? true);
  const child = start(name, rest, plan, { fds, ignored, terminal });
  const began = performance.now();
  const tell = plan.verbose ? say : () => {};
  using relay = pty && new pty.Relay(child.terminal!);
  signals.passOn(child.pidfd, { tell, onResize: relay && (() => relay.resize()) });
  if (!plan.keep) reapOrphans(child);
  const command = given.positionals.join(" ");
  const subject = { ...identityOf(child.pidfd, child.pid), command };
  tell(`started ${subject.ref} (${command})`);

  const cause = await causeOf(child, plan, signals, parent);
  const ending = new CommandEnding(child, plan);
  const ended = cause === null
    ? await endRest(ending, plan, signals)
    : await endAll(ending, cause, plan, signals);
  for (const { pid, command } of ended.ended) tell(`${pid} (${command}) ended`);
  for (const { pid, command } of ended.refused) say(`no permission to end ${pid}, ${command}`);
  if (ended.refused.length > 0) return FAILED;
  const status = await child.status;
  const wallTime = performance.now() - began;
  if (relay) {
    // What was told to end is not waited for, nor what daemons have to say.
    const hasTime = cause === null && !plan.keep;
    await Promise.race([inTime(relay.shown, hasTime ? Infinity : LAST_OUTPUT), signals.first]);
  }
  relay?.[Symbol.dispose]();
  if (plan.report) {
    const { report } = await import("./report.ts");
    report({ subject, status, wallTime, cause, killed: ended.killed }, plan.report);
  }
  if (cause === "timeout" && !plan.preserveStatus) return TIMED_OUT;
  if (cause !== null && status.signal === cause) {
    await stderr.flushed(LAST_OUTPUT);
    dieBy(status.signal);
  }
  return status.code;
}

function start(
  name: string,
  args: (string | Uint8Array)[],
  { rights }: RunPlan,
  { fds, ignored, terminal }: {
    fds: Record<number, number>;
    ignored: readonly number[];
    terminal: SpawnOptions["terminal"];
  },
): Child {
  const openFiles = originalOpenFiles();
  const limits = openFiles ? { nofile: openFiles, ...rights.limits } : rights.limits;
  try {
    return spawn(name, { ...rights, args, fds, limits, ignoreSignals: ignored, terminal });
  } catch (error) {
    throw startFailure(name, error);
  }
}

/** Waits for something, but not longer than so many milliseconds. */
async function inTime(promise: Promise<unknown>, time: number): Promise<void> {
  if (time === Infinity) return void await promise;
  const late = Promise.withResolvers<void>();
  const timer = after(time, () => late.resolve());
  await Promise.race([promise, late.promise]);
  timer.cancel();
}

/** Resolves with what ends the command, or null once it has ended by itself. */
async function causeOf(
  child: Child,
  { timeout }: RunPlan,
  signals: RunSignals,
  parent: Promise<"parent"> | undefined,
): Promise<Cause | null> {
  const { promise: timedOut, resolve } = Promise.withResolvers<"timeout">();
  const timer = timeout === Infinity ? undefined : after(timeout, () => resolve("timeout"));
  const ended = child.status.then(async ({ signal }) => {
    // Ctrl-C hits the command, too, and its end must not be seen first.
    if (isEnding(signal)) await new Promise((resolve) => setTimeout(resolve, TURN));
    return null;
  });
  try {
    const others = parent === undefined ? [] : [parent];
    return await Promise.race([signals.first, timedOut, ended, ...others]);
  } finally {
    timer?.cancel();
  }
}

function isEnding(signal: ExitStatus["signal"]): signal is EndingSignal {
  return (ENDING as readonly (string | null)[]).includes(signal);
}

/** Resolves once the parent of this program has ended. */
function parentsEnd(): Promise<"parent"> {
  using self = PidFd.fromSelf();
  const ppid = self.getPpid();
  // It is in another PID namespace, and nobody takes its place.
  if (ppid === 0) throw new UsageError("--die-with-parent needs a parent that can be seen");
  const parent = PidFd.fromPid(ppid);
  if (self.getPpid() !== ppid) return Promise.resolve("parent");
  return parent.exited().then(() => "parent");
}

/** Ends the command with all that it has started. */
function endAll(
  ending: CommandEnding,
  cause: Cause,
  plan: RunPlan,
  signals: RunSignals,
): Promise<Ended> {
  const { impatience } = signals;
  const onKill = () => say(`killed after ${plan.graceText} more`);
  if (cause === "timeout" || cause === "parent") {
    const ended = ending.end(cause === "timeout" ? plan.signal : "SIGTERM", {
      impatience,
      onKill,
    });
    say(cause === "timeout" ? `ending after ${plan.timeoutText}…` : "ending with its parent…");
    return ended;
  }
  const isToGroup = !plan.pty && signals.hasReachedGroup(cause);
  const ended = ending.end(cause, {
    impatience,
    hasGot: (process) => hasGot(process, cause, isToGroup),
    onKill,
  });
  const again = cause === "SIGINT" ? "Ctrl-C again" : "another signal";
  const word = after(WORTH_A_WORD, () => say(`ending on ${cause}…; ${again} kills at once`));
  return ended.finally(() => word.cancel());
}

/** Ends what a command has left that ended by itself. */
function endRest(
  ending: CommandEnding,
  { keep }: RunPlan,
  { first }: RunSignals,
): Promise<Ended> {
  if (keep || !hasChildren()) return Promise.resolve({ refused: [], killed: false, ended: [] });
  const word = after(WORTH_A_WORD, () => say("ending what the command has left…"));
  return ending.end("SIGTERM", { impatience: first }).finally(() => word.cancel());
}

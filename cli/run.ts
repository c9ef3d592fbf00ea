/**
 * `pidfd run`: a command whose end is the end of all that it has started.
 *
 * While it runs, this program is a subreaper (prctl(2)): descendants that lose their parents
 * become its children. So it finds them all when it has to end them, and has the duty to reap
 * them.
 *
 * @module
 */

import { Cgroup } from "../process/cgroup.ts";
import type { Child } from "../process/child.ts";
import { ownCgroups } from "../process/containment.ts";
import type { SpawnOptions } from "../process/options.ts";
import { setSubreaper, spawn } from "../process/spawn.ts";
import { type Command, UsageError } from "./command.ts";
import { FAILED, Failure, NOT_FOUND } from "./failures.ts";
import { parse } from "./parse.ts";
import { inheritedFds, originalOpenFiles, rawArguments } from "./passing_on.ts";
import { OPTIONS, readPlan, type RunPlan } from "./run_options.ts";
import { RunSignals } from "./run_signals.ts";
import { dieBy, ignoredSignals } from "./signals.ts";
import { startFailure } from "./start_failure.ts";
import { type Outcome, parentsEnd, supervise } from "./supervise.ts";

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
    "takes every SIGINT for such a key while it has the terminal.",
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
  // As from a variable that is not set. execve(2) finds no such file.
  if (name === "") throw new Failure("'': not found", NOT_FOUND);
  if (typeof name !== "string") throw new UsageError("the command's name isn't UTF-8");
  const plan = readPlan(given);
  const command = given.positionals.join(" ");
  const { code, diesBy } = await runPlanned(name, rest, command, plan);
  if (diesBy) dieBy(diesBy);
  return code;
}

/** Runs the command, and leaves nothing behind. */
async function runPlanned(
  name: string,
  args: (string | Uint8Array)[],
  command: string,
  plan: RunPlan,
): Promise<Outcome> {
  const pty = plan.pty ? await import("./pty.ts") : undefined;
  // From here to the start without a break: what this program was started with must not change before
  // it is looked at, and no signal comes between.
  const fds = inheritedFds();
  const ignored = ignoredSignals();
  const signals = new RunSignals();
  if (!plan.keep) setSubreaper(true);
  const parent = plan.dieWithParent ? parentsEnd() : undefined;
  const terminal = pty && (pty.ownSize() ?? true);
  // One that is named or limited holds it as well.
  const hasCgroup = plan.cgroup !== undefined || plan.cgroupLimits !== undefined;
  const contained = !plan.keep && !hasCgroup && ownCgroups.available;
  await using cgroup = plan.cgroupLimits && makeCgroup(plan);
  const place = cgroup ?? plan.cgroup;
  const options = { fds, ignoreSignals: ignored, terminal, contain: contained, cgroup: place };
  const child = start(name, args, plan, options);
  const running = { child, command, contained, cgroup, plan, signals, parent, pty };
  return await supervise(running);
}

function start(
  name: string,
  args: (string | Uint8Array)[],
  { rights }: RunPlan,
  options: SpawnOptions,
): Child {
  const openFiles = originalOpenFiles();
  const limits = openFiles ? { nofile: openFiles, ...rights.limits } : rights.limits;
  try {
    // As a shell calls it: programs name themselves by that, and are found by it.
    return spawn(name, { ...rights, ...options, args, argv0: name, limits });
  } catch (error) {
    throw startFailure(name, error);
  }
}

/** Makes a cgroup with limits, below the one that is named or else this program's own. */
function makeCgroup({ cgroup: parent, cgroupLimits: limits }: RunPlan): Cgroup {
  try {
    return Cgroup.create({ parent, limits });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Failure(`a cgroup with limits: ${error.message}`, FAILED);
  }
}

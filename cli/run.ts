/**
 * `pidfd run`: a command that doesn't outlive its time, nor whoever started it.
 *
 * While it runs, this program is a subreaper (prctl(2)): descendants that lose their parents
 * become its children. So it finds them all when it has to end them, and has the duty to reap
 * them.
 *
 * @module
 */

import {
  type Child,
  type KilledTree,
  killTree,
  PidFd,
  setSubreaper,
  spawn,
  SyscallError,
} from "../mod.ts";
import { type Command, endOfOptions, readDuration, readOptions, UsageError } from "./command.ts";
import { complain, describe, FAILED, TIMED_OUT } from "./failures.ts";
import { dieBy, onSignals } from "./signals.ts";

const OPTIONS = {
  timeout: { type: "string" },
  grace: { type: "string" },
  cgroup: { type: "string" },
} as const;

/** What ends the command together with us. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Why a command is ended. */
type Cause = typeof SIGNALS[number] | "timeout";

/** How long a signal that hit this program and the command at once may need to be seen here, in ms. */
const TURN = 10;

export const run: Command = {
  name: "run",
  summary: "Run a command; on timeout or Ctrl-C its whole tree ends",
  help: `Usage: pidfd run [OPTION…] [--] COMMAND [ARGUMENT…]

Runs a command with this program's standard streams, and exits with its status. When the time
is up, or on SIGINT, SIGTERM, SIGHUP or SIGQUIT, the command ends with all its descendants,
daemons as well: they get that signal (SIGTERM when the time is up), and SIGKILL after the grace.
A second signal kills them at once.

Options:
      --timeout D    How long it may take: 500ms, 30s, 5m, 2h
      --grace D      How long it has to end when asked to (default: 5s)
      --cgroup PATH  The folder of a cgroup to run it in; whoever is there ends, too,
                     where the command is ended (Linux 5.14)
  -h, --help         Show this

Exit code: the command's, or 128 + n if signal n killed it; 124 if the time was up; 125 if pidfd
failed; 126 if the command can't be executed; 127 if it isn't found.

Examples:
  pidfd run --timeout 10m -- make test
  pidfd run --timeout 30s --grace 1s sh -c 'server & client'`,
  run: runCommand,
};

async function runCommand(args: string[]): Promise<number> {
  const end = endOfOptions(args, OPTIONS);
  const { values } = readOptions(args.slice(0, end), OPTIONS);
  const [command, ...rest] = args.slice(args[end] === "--" ? end + 1 : end);
  if (command === undefined) throw new UsageError("a command is needed");
  const timeout = values.timeout === undefined
    ? undefined
    : readDuration("--timeout", values.timeout);
  const grace = readDuration("--grace", values.grace ?? "5s");
  const { cgroup } = values;

  const causes = listen();
  setSubreaper(true);
  const child = start(command, rest, cgroup);
  reapOrphans(child);
  if (timeout !== undefined) setTimeout(() => causes.first.resolve("timeout"), timeout);

  const ended = child.status.then(async () => {
    // Ctrl-C hits the command, too, and its end must not be seen first.
    await new Promise((resolve) => setTimeout(resolve, TURN));
    return null;
  });
  const cause = await Promise.race([causes.first.promise, ended]);
  if (cause !== null) {
    if (cause === "timeout") complain(`timed out after ${values.timeout}`);
    const { refused } = await endAll(cause, causes.second.promise, { grace, cgroup });
    for (const { pid, command } of refused) complain(`no permission to end ${pid}, ${command}`);
    if (refused.length > 0) return FAILED;
    if (cause === "timeout") return TIMED_OUT;
  }
  const { code, signal } = await child.status;
  // Of SIGQUIT only the command dumps core.
  if (cause !== null && signal === cause && cause !== "SIGQUIT") dieBy(cause);
  return code;
}

function start(command: string, args: string[], cgroup: string | undefined): Child {
  try {
    return spawn(command, { args, cgroup });
  } catch (error) {
    // It isn't the command that wasn't found then.
    const isFile = error instanceof SyscallError && error.syscall === "openat";
    throw cgroup !== undefined && isFile ? new UsageError(`--cgroup: ${error.message}`) : error;
  }
}

/** Waits for signals to this program: the first asks for an end, the second for one at once. */
function listen() {
  const first = Promise.withResolvers<Cause>();
  const second = Promise.withResolvers<void>();
  let asked = false;
  onSignals(SIGNALS, (signal) => {
    if (asked) second.resolve();
    else first.resolve(signal);
    asked = true;
  });
  return { first, second };
}

/** Ends all descendants of this program. */
async function endAll(
  cause: Cause,
  second: Promise<void>,
  { grace, cgroup }: { grace: number; cgroup?: string },
): Promise<KilledTree> {
  using self = PidFd.fromSelf();
  const impatient = second.then(() => killTree(self, { signal: "SIGKILL", cgroup }));
  impatient.catch((error) => complain(describe(error)));
  const signal = cause === "timeout" ? "SIGTERM" : cause;
  return await killTree(self, { signal, grace, cgroup });
}

/** Reaps what has become a child of this program and ended, all but the command. */
function reapOrphans(command: Child): void {
  let spared: number | undefined = command.pid;
  const reaped = () => spared = undefined;
  command.status.then(reaped, reaped);
  const reap = () => {
    try {
      for (const pid of childPids()) {
        if (pid === spared) continue;
        using orphan = PidFd.fromPid(pid);
        orphan.tryWait({ reap: true });
      }
    } catch (error) {
      // For want of descriptors, say: the next one that ends is another chance.
      if (!(error instanceof SyscallError)) throw error;
    }
  };
  Deno.addSignalListener("SIGCHLD", reap);
  // Some can have ended between the command's start and now.
  reap();
}

/** The PIDs of this program's children, which stay theirs until it reaps them. proc(5) */
function childPids(): number[] {
  using self = PidFd.fromSelf();
  return self.accessProc((proc) =>
    proc.list("task")
      .flatMap((thread) => unlessGone(() => proc.readTextFile(`task/${thread}/children`), ""))
      .flatMap((children) => children.split(" ").filter(Boolean))
      .map(Number)
  );
}

/** Threads come and go while they are listed. */
function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    const isGone = error instanceof SyscallError && ["ENOENT", "ESRCH"].includes(error.code);
    if (isGone) return otherwise;
    throw error;
  }
}

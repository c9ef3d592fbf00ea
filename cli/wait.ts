/**
 * `pidfd wait`: until processes end, be they children or not.
 *
 * @module
 */

import { type Command, readDuration, readOptions } from "./command.ts";
import { complain, TIMED_OUT } from "./failures.ts";
import { openAll } from "./references.ts";
import { waitForEnds } from "./waiting.ts";

const OPTIONS = {
  any: { type: "boolean" },
  timeout: { type: "string" },
  json: { type: "boolean" },
} as const;

export const wait: Command = {
  name: "wait",
  summary: "Wait until processes end, and tell how they did",
  help: `Usage: pidfd wait [OPTION…] REF…

Waits until processes end, whoever started them, and tells how each did. A process's parent is
the first to learn how it ended; here it is known as soon as that has asked, on Linux 6.15 and
newer. Before, it is only known that the process ended.

REF is a PID, or PID:ID as \`pidfd ref\` prints it, which no other process matches until the next
boot.

Options:
      --any        Wait for the first that ends
      --timeout D  Give up after 500ms, 30s, 5m, 2h
      --json       Print an object for each end: {"ref","pid","command","ended","status"}
  -h, --help       Show this

Exit code: that of the process, or 128 + n if signal n killed it; of several that of the last
named, with --any that of the first to end; 0 where it can't be known. 124 if the time was up;
125 if pidfd failed; 126 without permission; 127 if there is no such process.

Examples:
  pidfd wait 4711 && echo "it succeeded"
  pidfd wait --timeout 30s 4711:81234 4712:81240`,
  run: waitCommand,
};

async function waitCommand(args: string[]): Promise<number> {
  const { values: { timeout, ...values }, positionals } = readOptions(args, OPTIONS);
  const limit = timeout === undefined ? undefined : readDuration("--timeout", timeout);
  using processes = openAll(positionals);
  const { statuses, running } = await waitForEnds(processes, { ...values, timeout: limit });
  if (statuses.size === 0 || (!values.any && running.length > 0)) {
    const names = running.map(({ name }) => name).join(", ");
    complain(`timed out after ${timeout}, still running: ${names}`);
    return TIMED_OUT;
  }
  const decisive = values.any ? [...statuses.keys()][0] : processes.at(-1)!;
  return statuses.get(decisive)?.code ?? 0;
}

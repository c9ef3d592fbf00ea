/**
 * `pidfd ref`: a name for a process that no other process gets.
 *
 * @module
 */

import { type Command, readOptions, UsageError } from "./command.ts";
import { printJson } from "./output.ts";
import { openAll } from "./references.ts";

export const ref: Command = {
  name: "ref",
  summary: "Print PID:ID, which names one process until the next boot",
  help: `Usage: pidfd ref [OPTION…] PID

Prints PID:ID, a reference that no other process matches until the next boot: for PID files in
/run, which a boot empties, and for all other commands of pidfd. Needs Linux 6.9.

Options:
      --json  Print an object that names the boot and PID namespace as well
  -h, --help  Show this

Exit code: 0; 125 if pidfd failed; 126 without permission; 127 if there is no such process.

Examples:
  pidfd ref $$
  pidfd ref 4711 > server.pid; pidfd kill "$(cat server.pid)"`,
  run: refCommand,
};

function refCommand(args: string[]): number {
  const { values: { json }, positionals } = readOptions(args, { json: { type: "boolean" } });
  if (positionals.length > 1) throw new UsageError("one process at a time");
  using processes = openAll(positionals);
  const reference = processes[0].pidfd.toRef();
  if (json) printJson(reference);
  else console.log(String(reference));
  return 0;
}

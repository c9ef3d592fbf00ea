/**
 * `pidfd ref`: a name for a process that no other process gets.
 *
 * @module
 */

import { type Command, UsageError } from "./command.ts";
import { printJson, printText } from "./output.ts";
import { parse } from "./parse.ts";
import { openAll } from "./references.ts";

export const ref: Command = {
  name: "ref",
  usage: "[OPTION…] PID",
  kind: "ref",
  description: [
    "Prints PID:ID, a reference that no other process matches until the next boot: for PID files in " +
    "/run, which a boot empties, and for all other commands of pidfd. Needs Linux 6.9.",
  ],
  options: [{
    name: "json",
    help: "Print an object that names the boot and PID namespace as well",
  }],
  exitCode: "0; 125 if pidfd failed; 126 without permission; 127 if there is no such process.",
  examples: ["pidfd ref $$", 'pidfd ref 4711 > server.pid; pidfd kill "$(cat server.pid)"'],
  run: refCommand,
};

async function refCommand(args: string[]): Promise<number> {
  const given = parse(args, ref);
  if (given.positionals.length > 1) throw new UsageError("one process at a time");
  using processes = await openAll(given.positionals);
  const [{ pidfd, command }] = processes;
  const reference = pidfd.toRef();
  if (given.has("json")) printJson({ ref: `${reference}`, ...reference.toJSON(), command });
  else printText(`${reference}`);
  return 0;
}

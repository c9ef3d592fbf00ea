/**
 * `pidfd wait`: until processes end, children or not.
 *
 * @module
 */

import { type Command, REFERENCES } from "./command.ts";
import { readDuration, withUnit } from "./durations.ts";
import { TIMED_OUT } from "./failures.ts";
import { say, stdout } from "./output.ts";
import { parse } from "./parse.ts";
import { openAll } from "./references.ts";
import { waitForEnds } from "./waiting.ts";

export const wait: Command = {
  name: "wait",
  usage: "[OPTION…] REF…",
  kind: "ref",
  description: [
    "Waits until processes end, and tells how each ended. They can be anybody's children. How a process " +
    "ended is known here once its parent has asked, on Linux 6.15 and newer. Before, it is only known " +
    "that the process ended.",
    REFERENCES,
  ],
  options: [
    { name: "any", help: "Wait for the first that ends" },
    { name: "timeout", short: "t", value: "D", help: "Give up after 500ms, 30s, 1m30s, 2h" },
    { name: "json", help: "Print an object for each end" },
  ],
  exitCode: "that of the process, or 128 + n if signal n killed it; of several that of the last " +
    "named, with --any that of the first to end; 0 where it can't be known. 124 if the time was up; " +
    "125 if pidfd failed; 126 without permission; 127 if there is no such process.",
  examples: [
    'pidfd wait 4711 && echo "it succeeded"',
    "pidfd wait --timeout 30s 4711:81234 4712:81240",
    "pidfd find -u www-data nginx | pidfd wait --any -",
  ],
  run: waitCommand,
};

async function waitCommand(args: string[]): Promise<number> {
  const given = parse(args, wait);
  const began = performance.now();
  const text = given.text("timeout");
  const timeout = text === undefined ? Infinity : readDuration("--timeout", text);
  const any = given.has("any");
  using processes = await openAll(given.positionals);
  const { statuses, running } = await waitForEnds(processes, {
    any,
    json: given.has("json"),
    timeout,
  });
  // The time is a limit on the output as well, which nobody may read.
  if (timeout !== Infinity) stdout.limit(timeout - (performance.now() - began));
  if (statuses.size === 0 || (!any && running.length > 0)) {
    const names = running.map(({ name }) => name).join(", ");
    say(`timed out after ${withUnit(text!)}, still running: ${names}`);
    return TIMED_OUT;
  }
  const decisive = any ? [...statuses.keys()][0] : processes.at(-1)!;
  return statuses.get(decisive)?.code ?? 0;
}

/**
 * How the end of a process is printed.
 *
 * @module
 */

import type { ExitStatus } from "../pidfd/exit_status.ts";
import { GREEN, printJson, printLine, YELLOW } from "./output.ts";
import type { Named } from "./references.ts";

/** Prints how a process ended; its status is null where nothing tells. */
export function printEnd(
  { name, ref, pid, id, command }: Named,
  status: ExitStatus | null,
  json: boolean,
): void {
  if (json) return printJson({ ref, pid, id, command, ended: true, status });
  const what = command === null ? "" : ` (${command})`;
  const style = status?.success ? GREEN : YELLOW;
  printLine([`${name}${what} `, ""], [describeEnd(status), style]);
}

/** How it ended, in words. */
export function describeEnd(status: ExitStatus | null): string {
  if (status === null) return "ended; how is only told to its parent before Linux 6.15";
  const { code, signal, signalNumber, coreDumped } = status;
  if (signalNumber === null) return `exited with ${code}`;
  const name = signal ?? `signal ${signalNumber}`;
  return `was killed by ${name}${coreDumped ? ", and dumped core" : ""}`;
}

/**
 * How results look: for people with colour, if it is a terminal that they look at; for scripts as
 * JSON, an object on a line for each process.
 *
 * @module
 */

import type { ExitStatus } from "../mod.ts";
import type { Named } from "./references.ts";

/** Prints one object on a line; 64-bit numbers as strings, as JSON has none. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, (_, value) => typeof value === "bigint" ? `${value}` : value));
}

/** Prints a heading. */
export function printHeading(text: string): void {
  console.log(`%c${text}`, "font-weight: bold");
}

/** Prints a fact below a heading. */
export function printFact(name: string, value: unknown): void {
  console.log(`  %c${name.padEnd(12)}%c ${value}`, "color: cyan", "");
}

/** Prints how a process ended; its status is null where nothing tells. */
export function printEnd(
  { name, pid }: Named,
  command: string | null,
  status: ExitStatus | null,
  json: boolean,
): void {
  if (json) return printJson({ ref: name, pid, command, ended: true, status });
  const color = status?.success ? "color: green" : "color: yellow";
  const what = command === null ? "" : ` (${command})`;
  console.log(`${name}${what} %c${describeEnd(status)}`, color);
}

function describeEnd(status: ExitStatus | null): string {
  if (status === null) return "ended; how is only told to its parent before Linux 6.15";
  const { code, signal, signalNumber, coreDumped } = status;
  if (signalNumber === null) return `exited with ${code}`;
  const name = signal ?? `signal ${signalNumber}`;
  return `was killed by ${name}${coreDumped ? ", and dumped core" : ""}`;
}

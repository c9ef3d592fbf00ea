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

/** How a text looks, in CSS as consoles understand it. */
export type Style = "" | "font-weight: bold" | `color: ${"cyan" | "green" | "red" | "yellow"}`;

/** Prints a line of texts, each in its style. What processes call themselves can't break out of it. */
export function printLine(...parts: readonly (readonly [text: string, style: Style])[]): void {
  const format = parts.map(() => "%c%s").join("");
  console.log(format, ...parts.flatMap(([text, style]) => [style, printable(text)]));
}

/** A text without what would control the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}

/** Prints a heading. */
export function printHeading(text: string): void {
  printLine([text, "font-weight: bold"]);
}

/** Prints a fact below a heading. */
export function printFact(name: string, value: unknown): void {
  printLine([`  ${name.padEnd(12)}`, "color: cyan"], [` ${value}`, ""]);
}

/** Prints how a process ended; its status is null where nothing tells. */
export function printEnd(
  { name, pid, command }: Named,
  status: ExitStatus | null,
  json: boolean,
): void {
  if (json) return printJson({ ref: name, pid, command, ended: true, status });
  const what = command === null ? "" : ` (${command})`;
  const style = status?.success ? "color: green" : "color: yellow";
  printLine([`${name}${what} `, ""], [describeEnd(status), style]);
}

function describeEnd(status: ExitStatus | null): string {
  if (status === null) return "ended; how is only told to its parent before Linux 6.15";
  const { code, signal, signalNumber, coreDumped } = status;
  if (signalNumber === null) return `exited with ${code}`;
  const name = signal ?? `signal ${signalNumber}`;
  return `was killed by ${name}${coreDumped ? ", and dumped core" : ""}`;
}

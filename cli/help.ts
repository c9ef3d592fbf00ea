/**
 * The help of a command, made of what the command says of itself.
 *
 * @module
 */

import { type Command, HELP, type Option } from "./command.ts";

/** How wide help is at most. */
const WIDTH = 90;
/** Where the meaning of an option begins. */
const INDENT = 25;

/** All about a command. */
export function helpOf(
  { name, usage, description, options, exitCode, examples }: Command,
): string {
  return [
    `Usage: pidfd ${name} ${usage}`.trimEnd(),
    ...description.map((paragraph) => wrap(paragraph, WIDTH).join("\n")),
    ["Options:", ...[...options, HELP].flatMap(describeOption)].join("\n"),
    wrap(`Exit code: ${exitCode}`, WIDTH).join("\n"),
    ["Examples:", ...examples.map((example) => `  ${example}`)].join("\n"),
  ].join("\n\n");
}

/** How an option is written: `-s, --signal SIGNAL`. */
export function spellings({ name, short, value, isOptional }: Option): string {
  const letter = short === undefined ? "    " : `-${short}, `;
  const what = value === undefined ? "" : isOptional ? `[=${value}]` : ` ${value}`;
  return `${letter}--${name}${what}`;
}

function describeOption(option: Option): string[] {
  const head = `  ${spellings(option)}`;
  const lines = wrap(option.help, WIDTH - INDENT);
  const indented = lines.map((line) => `${" ".repeat(INDENT)}${line}`);
  if (head.length > INDENT - 2) return [head, ...indented];
  return [`${head.padEnd(INDENT)}${lines[0]}`, ...indented.slice(1)];
}

/** Breaks a text into lines. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

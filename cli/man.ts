/**
 * `pidfd man`: a manual page, made of what the commands say of themselves. man(7)
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { type Command, HELP, type Option } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { printText } from "./output.ts";
import { parse, refuseArguments } from "./parse.ts";

export const man: Command = {
  name: "man",
  usage: "[OPTION…]",
  description: ["Prints a manual page about all commands, for man(1)."],
  options: [],
  exitCode: "0; 125 if pidfd failed.",
  examples: ["pidfd man | man -l -", "pidfd man > ~/.local/share/man/man1/pidfd.1"],
  run: manCommand,
};

async function manCommand(args: string[]): Promise<number> {
  refuseArguments(parse(args, man));
  const commands = await Promise.all(Object.values(COMMANDS).map(({ load }) => load()));
  printText(page(commands));
  return 0;
}

/** The page. */
export function page(commands: readonly Command[]): string {
  const summaries = Object.entries(COMMANDS);
  return [
    `.TH PIDFD 1 "" "pidfd ${config.version}" "User Commands"`,
    ".SH NAME",
    "pidfd \\- run, find, wait for and signal processes that are held by pidfds",
    ".SH SYNOPSIS",
    ...commands.flatMap(({ name, usage }) => [`.B pidfd ${name}`, text(usage), ".br"]),
    ".SH DESCRIPTION",
    "No signal and no wait can hit another process that was given the same PID: a process is held",
    "by a pidfd, or named by a reference,",
    ".IR PID:ID .",
    ...summaries.flatMap(([name, { summary }]) => [".TP", `.B ${name}`, text(summary)]),
    ...commands.flatMap(section),
    ".SH SEE ALSO",
    ".BR timeout (1), \\ kill (1), \\ pgrep (1), \\ pidfd_open (2)",
  ].join("\n");
}

function section({ name, usage, description, options, exitCode, examples }: Command): string[] {
  return [
    `.SH ${name.toUpperCase()}`,
    `.B pidfd ${name}`,
    text(usage),
    ...description.flatMap((paragraph) => [".PP", text(paragraph)]),
    ...[...options, HELP].flatMap(entry),
    ".PP",
    `Exit code: ${text(exitCode)}`,
    ".PP",
    "Examples:",
    ".nf",
    ".RS",
    ...examples.map(text),
    ".RE",
    ".fi",
  ];
}

function entry({ name, short, value, isOptional, help }: Option): string[] {
  const letter = short === undefined ? "" : `\\-${short}, `;
  const what = value === undefined ? "" : isOptional ? `[=${value}]` : ` ${value}`;
  return [".TP", `.B ${letter}\\-\\-${text(name)}${text(what)}`, text(help)];
}

/** A text in which nothing means anything to troff. A line must not begin with a dot or a quote. */
function text(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&")
    .replaceAll("…", "\\[u2026]");
}

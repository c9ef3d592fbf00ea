/**
 * Completion for fish. fish's complete(1)
 *
 * @module
 */

import { type Described, wordsFor } from "./completion_words.ts";
import type { Kind, Option } from "./command.ts";

/** The script. */
export function fishScript(commands: readonly Described[]): string {
  const names = commands.map(({ name }) => name);
  return [
    "# Completion of pidfd for fish.",
    "complete -c pidfd -f",
    "complete -c pidfd -n __fish_use_subcommand -l help -s h -d 'Show help'",
    "complete -c pidfd -n __fish_use_subcommand -l version -s V -d 'Show the version'",
    ...commands.map(({ name, summary }) =>
      `complete -c pidfd -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`
    ),
    "complete -c pidfd -n __fish_use_subcommand -a help -d 'Tell all about a command'",
    `complete -c pidfd -n '__fish_seen_subcommand_from help' -a '${names.join(" ")}'`,
    ...commands.flatMap(linesOf),
  ].join("\n");
}

function linesOf({ name, kind, options, runsAnother }: Described): string[] {
  const condition = `-n ${quote(`__fish_seen_subcommand_from ${name}`)}`;
  const lines = options.map((option) => `complete -c pidfd ${condition} ${wordsOf(option)}`);
  if (runsAnother) {
    return [...lines, `complete -c pidfd ${condition} -a '(__fish_complete_subcommand)'`];
  }
  const offered = argumentsOf(kind);
  return offered === undefined ? lines : [...lines, `complete -c pidfd ${condition} -a ${offered}`];
}

function wordsOf({ name, short, value, isOptional, kind, help }: Option): string {
  const letter = short === undefined ? "" : ` -s ${short}`;
  const offered = argumentsOf(kind);
  const takes = value === undefined || isOptional ? "" : " -x";
  const values = value === undefined || offered === undefined ? "" : ` -a ${offered}`;
  return `-l ${name}${letter}${takes}${values} -d ${quote(help)}`;
}

function argumentsOf(kind: Kind | undefined): string | undefined {
  const words = wordsFor(kind);
  if (words) return quote(words.join(" "));
  if (kind === "user") return "'(__fish_complete_users)'";
  if (kind === "group") return "'(__fish_complete_groups)'";
  if (kind === "folder") return "'(__fish_complete_directories)'";
  if (kind === "ref") return "'(__fish_complete_pids)'";
  return undefined;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/**
 * Completion for zsh. zshcompsys(1)
 *
 * @module
 */

import { type Described, wordsFor } from "./completion_words.ts";
import type { Kind, Option } from "./command.ts";

/** The script. */
export function zshScript(commands: readonly Described[]): string {
  const names = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  return `#compdef pidfd
# Completion of pidfd for zsh.
_pidfd() {
  local -a commands
  commands=(
${names.join("\n")}
    'help:Tell all about a command'
  )
  if ((CURRENT == 2)); then
    _describe 'command' commands
    _arguments '--help' '--version'
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
    help) _describe 'command' commands ;;
${commands.map(caseOf).join("\n")}
  esac
}
# As a file of fpath, the script is the function itself.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pidfd "$@"; else compdef _pidfd pidfd; fi`;
}

function caseOf({ name, kind, options, runsAnother }: Described): string {
  const specs = options.flatMap(specsOf).map((spec) => `      ${quote(spec)}`);
  const rest = runsAnother
    ? ["      '*::command line:_normal'"]
    : kind === undefined
    ? []
    : [`      ${quote(`*:${nameOf(kind)}:${actionOf(kind)}`)}`];
  const flags = runsAnother ? "-s -S -A '-*'" : "-s -S";
  return `    ${name}) _arguments ${flags} \\\n${[...specs, ...rest].join(" \\\n")} ;;`;
}

/** One option, as _arguments has it, by its letter and by its name: `(-s)--signal=[help]:SIGNAL:action`. */
function specsOf({ name, short, value, isOptional, kind, help }: Option): string[] {
  const explanation = `[${help.replaceAll(/[[\]:]/g, "\\$&")}]`;
  const colons = isOptional ? "::" : ":";
  const behind = value === undefined ? "" : `${colons}${escaped(value)}:${actionOf(kind)}`;
  const [equals, plus] = value === undefined ? ["", ""] : [isOptional ? "=-" : "=", "+"];
  if (short === undefined) return [`--${name}${equals}${explanation}${behind}`];
  return [
    `(-${short})--${name}${equals}${explanation}${behind}`,
    `(--${name})-${short}${plus}${explanation}${behind}`,
  ];
}

function escaped(text: string): string {
  return text.replaceAll(":", "\\:");
}

function nameOf(kind: Kind): string {
  return typeof kind === "string" ? kind : "value";
}

function actionOf(kind: Kind | undefined): string {
  const words = wordsFor(kind);
  if (words) return `(${words.join(" ")})`;
  if (kind === "user") return "_users";
  if (kind === "group") return "_groups";
  if (kind === "folder") return "_files -/";
  if (kind === "ref") return "_pids";
  return " ";
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

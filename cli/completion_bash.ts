/**
 * Completion for bash. bash(1), Programmable Completion
 *
 * @module
 */

import { type Described, wordsFor } from "./completion_words.ts";
import type { Kind, Option } from "./command.ts";

/** The script. */
export function bashScript(commands: readonly Described[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# Completion of pidfd for bash.
_pidfd() {
  local cur=\${COMP_WORDS[COMP_CWORD]} previous command=\${COMP_WORDS[1]} i
  COMPREPLY=()
  # bash has "=" as a word of its own.
  if [[ $cur == "=" ]]; then
    cur= previous=\${COMP_WORDS[COMP_CWORD - 1]}
  else
    previous=\${COMP_WORDS[COMP_CWORD - 1]}
    [[ $previous == "=" ]] && previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${names} help --help --version" -- "$cur"))
    return
  fi
  case $command in
    help) COMPREPLY=($(compgen -W "${names}" -- "$cur")) ;;
${commands.map(caseOf).join("\n")}
  esac
}
complete -F _pidfd pidfd`;
}

function caseOf(command: Described): string {
  const { name, kind, options, runsAnother } = command;
  const withValue = options.filter(({ value, isOptional }) => value !== undefined && !isOptional);
  const values = options.filter(({ value }) => value !== undefined);
  const valueCases = values.map((option) =>
    `        ${spellingsOf(option).join("|")}) ${offer(option.kind)}; return ;;`
  );
  const takers = withValue.flatMap(spellingsOf).join("|") || "-";
  const behind = runsAnother
    ? `      # The first word that is no option begins the command line of another.
      for ((i = 2; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in
          --) ((i++)); break ;;
          =) ((i++)) ;;
          ${takers}) [[ \${COMP_WORDS[i + 1]} == "=" ]] || ((i++)) ;;
          -*) ;;
          *) break ;;
        esac
      done
      if ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
        _command_offset $i
        return
      elif ((i < COMP_CWORD)); then
        compopt -o default
        return
      fi
`
    : "";
  const words = options.map(({ name }) => `--${name}`).join(" ");
  return `    ${name})
${behind}      case $previous in
${valueCases.join("\n") || "        -) ;;"}
      esac
      if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "${words}" -- "$cur"))
      else
        ${offer(kind)}
      fi ;;`;
}

function spellingsOf({ name, short }: Option): string[] {
  return [`--${name}`, ...short === undefined ? [] : [`-${short}`]];
}

/** What offers the words for a value. */
function offer(kind: Kind | undefined): string {
  const generate = (what: string) => `COMPREPLY=($(compgen ${what} -- "$cur"))`;
  const words = wordsFor(kind);
  if (words) return generate(`-W "${words.join(" ")}"`);
  if (kind === "user") return generate("-u");
  if (kind === "group") return generate("-g");
  // Among the commands are folders, behind which no space belongs.
  if (kind === "command") return `compopt -o filenames; ${generate("-c")}`;
  // By bash itself, which knows how to quote what is in a name.
  if (kind === "folder") return "compopt -o dirnames";
  if (kind === "ref") return generate(`-W "$(cd /proc && echo [0-9]*)"`);
  return "COMPREPLY=()";
}

/**
 * What shells are told of the commands, so that they can complete command lines.
 *
 * @module
 */

import { type Command, HELP, type Kind, type Option } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { SIGNAL_NAMES } from "./signal_names.ts";

/** The shells that there is completion for. */
export const SHELL_NAMES = ["bash", "zsh", "fish"] as const;

/** A command as a shell needs to know it. */
export interface Described extends Pick<Command, "name" | "kind" | "runsAnother"> {
  readonly summary: string;
  readonly options: readonly Option[];
}

/** All commands, with the options that each takes. */
export async function describeAll(): Promise<Described[]> {
  return await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) => {
      const { kind, runsAnother, options } = await load();
      return { name, summary, kind, runsAnother, options: [...options, HELP] };
    }),
  );
}

/** The words that are offered for a kind of value; undefined if the shell itself knows them. */
export function wordsFor(kind: Kind | undefined): readonly string[] | undefined {
  if (kind === "signal") return SIGNAL_NAMES;
  if (kind === "shell") return SHELL_NAMES;
  return typeof kind === "object" ? kind : undefined;
}

/**
 * `pidfd completion`: scripts by which shells complete command lines of `pidfd`, made of what the
 * commands say of themselves.
 *
 * @module
 */

import { bashScript } from "./completion_bash.ts";
import { fishScript } from "./completion_fish.ts";
import { zshScript } from "./completion_zsh.ts";
import { type Command, UsageError } from "./command.ts";
import { describeAll, type Described, SHELL_NAMES } from "./completion_words.ts";
import { printText } from "./output.ts";
import { parse } from "./parse.ts";

const SHELLS: Readonly<
  Record<typeof SHELL_NAMES[number], (commands: readonly Described[]) => string>
> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export const completion: Command = {
  name: "completion",
  usage: "[OPTION…] SHELL",
  kind: "shell",
  description: [
    "Prints a script that has a shell complete what is typed behind pidfd: commands, options, signals, " +
    "users, PIDs. SHELL is bash, zsh or fish.",
  ],
  options: [],
  exitCode: "0; 125 if pidfd failed.",
  examples: [
    "source <(pidfd completion bash)    # in ~/.bashrc",
    "source <(pidfd completion zsh)     # in ~/.zshrc, behind compinit",
    "pidfd completion fish | source     # in ~/.config/fish/config.fish",
  ],
  run: completionCommand,
};

async function completionCommand(args: string[]): Promise<number> {
  const [shell, ...more] = parse(args, completion).positionals;
  if (shell === undefined) throw new UsageError("a shell is needed: bash, zsh or fish");
  const known = SHELL_NAMES.find((name) => name === shell);
  if (known === undefined || more.length > 0) {
    throw new UsageError(`there is completion for bash, zsh and fish: ${args.join(" ")}`);
  }
  printText(SHELLS[known](await describeAll()));
  return 0;
}

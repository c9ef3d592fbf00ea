/**
 * The command `pidfd`: the library for shells and people.
 *
 *     deno run --allow-ffi jsr:@pidfd/util/cli --help
 *     deno install --global --allow-ffi --name pidfd jsr:@pidfd/util/cli
 *
 * It needs no other permission. A program that imports this file gets nothing: it is there to
 * be run.
 *
 * @module
 */

import { type Command, HelpWanted, UsageError } from "./cli/command.ts";
import { complain, describe, exitCodeFor, FAILED } from "./cli/failures.ts";
import { features } from "./cli/features.ts";
import { info } from "./cli/info.ts";
import { kill } from "./cli/kill.ts";
import { ref } from "./cli/ref.ts";
import { run } from "./cli/run.ts";
import { wait } from "./cli/wait.ts";
import config from "./deno.json" with { type: "json" };

const COMMANDS: readonly Command[] = [run, wait, kill, info, ref, features];

const OVERVIEW = `Usage: pidfd COMMAND [OPTION…] [ARGUMENT…]

Processes held by pidfds, so that no signal and no wait can hit another process with the same PID.

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join("\n")}

Options:
  -h, --help     Show this, or all about a command: pidfd COMMAND --help
      --version  Show the version

Examples:
  pidfd run --timeout 10m -- make test
  pidfd wait 4711
  pidfd kill --tree 4711`;

/** Does what the command line says, and resolves with the exit code. */
async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) throw new UsageError("a command is needed");
  if (name === "--help" || name === "-h") {
    console.log(OVERVIEW);
    return 0;
  }
  if (name === "--version") {
    console.log(`pidfd ${config.version}`);
    return 0;
  }
  const command = COMMANDS.find((command) => command.name === name);
  if (!command) throw new UsageError(`there is no command ${name}`);
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof HelpWanted) {
      console.log(command.help);
      return 0;
    }
    complain(describe(error, name));
    return exitCodeFor(error);
  }
}

if (import.meta.main) {
  let code = FAILED;
  try {
    code = await main(Deno.args);
  } catch (error) {
    complain(describe(error));
  }
  Deno.exit(code);
}

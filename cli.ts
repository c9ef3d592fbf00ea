/**
 * The command `pidfd`: the library for shells and people.
 *
 *     deno run --allow-ffi jsr:@pidfd/util/cli --help
 *     deno install --global --allow-ffi --name pidfd jsr:@pidfd/util/cli
 *
 * It needs no other permission. A program that imports this file gets the types of what `--json`
 * prints, and nothing else: it is there to be run.
 *
 * @module
 */

import { HelpWanted, UsageError } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { BROKEN_PIPE, describe, exitCodeFor, FAILED } from "./cli/failures.ts";
import { ignoredMask } from "./cli/ignored_signals.ts";
import { printText, say, stderr, stdout } from "./cli/output.ts";
import { nearest } from "./pidfd/nearest.ts";
import config from "./deno.json" with { type: "json" };

export type { LimitJson, ProcessJson, RunJson } from "./cli/json.ts";
export type { ExitStatus, ResourceUsage } from "./pidfd/exit_status.ts";
export type { Credentials } from "./pidfd/info.ts";

const OVERVIEW = `Usage: pidfd COMMAND [OPTION…] [ARGUMENT…]

Processes held by pidfds, so that no signal and no wait can hit another process with the same PID.

Commands:
${
  Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`).join(
    "\n",
  )
}

Options:
  -h, --help     Show this, or all about a command: pidfd COMMAND --help
  -V, --version  Show the version

Examples:
  pidfd run --timeout 10m -- make test
  pidfd wait 4711
  pidfd kill --tree 4711`;

/** How long the last words may take once all else is done, in milliseconds. */
const LAST_WORDS = 1000;

/** Does what the command line says, and resolves with the exit code. */
async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) throw new UsageError("a command is needed");
  if (name === "--version" || name === "-V") return print(`pidfd ${config.version}`);
  if (name === "--help" || name === "-h" || name === "help") return await help(args);
  const { load, listens } = commandOf(name);
  // Before anything is waited for.
  if (listens) ignoredMask();
  const command = await load();
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof HelpWanted) return await help([name]);
    say(describe(error, name));
    return exitCodeFor(error);
  }
}

function commandOf(name: string) {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name];
  const isOption = name.startsWith("-");
  const near = nearest(name, isOption ? ["--help", "--version"] : Object.keys(COMMANDS));
  const advice = near === undefined ? "" : `: did you mean ${near}?`;
  throw new UsageError(
    (isOption ? `unknown option '${name}'` : `there is no command ${name}`) + advice,
  );
}

async function help([name]: string[]): Promise<number> {
  if (name === undefined || name === "help" || name.startsWith("-")) return print(OVERVIEW);
  const command = await commandOf(name).load();
  const { helpOf } = await import("./cli/help.ts");
  return print(helpOf(command));
}

function print(text: string): number {
  printText(text);
  return 0;
}

/** The exit code once all is written, or can't be. */
async function written(code: number): Promise<number> {
  const error = await stdout.flushed();
  if (error instanceof Deno.errors.BrokenPipe) return BROKEN_PIPE;
  if (error) {
    say(`standard output: ${error.message}`);
    code = FAILED;
  }
  // That nobody reads these is no reason to wait, nor an error.
  await stderr.flushed(LAST_WORDS);
  return code;
}

if (import.meta.main) {
  let code = FAILED;
  try {
    code = await main(Deno.args);
  } catch (error) {
    say(describe(error));
  }
  Deno.exit(await written(code));
}

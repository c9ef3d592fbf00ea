/**
 * `pidfd find`: processes by their names, as references that stay theirs.
 *
 * @module
 */

import { findAccount } from "../ffi/accounts.ts";
import { SyscallError } from "../ffi/errors.ts";
import { findAll } from "./all_processes.ts";
import { type Command, UsageError } from "./command.ts";
import { NOT_FOUND } from "./failures.ts";
import { printJson, printLine, say } from "./output.ts";
import { parse } from "./parse.ts";

/** TASK_COMM_LEN without the NUL. PR_SET_NAME(2const) */
const LONGEST_NAME = 15;

export const find: Command = {
  name: "find",
  usage: "[OPTION…] [PATTERN]",
  description: [
    "Prints a reference, PID:ID, to each process whose name matches a pattern. All other commands of " +
    "pidfd take it. No other process matches it until the next boot. pidfd itself and zombies are left " +
    "out. Before Linux 6.9 it prints PIDs.",
    "PATTERN is a regular expression, as JavaScript has them. Names have up to 15 bytes.",
  ],
  options: [
    { name: "user", short: "u", value: "USER", kind: "user", help: "Of this user, by name or ID" },
    { name: "exact", short: "x", help: "Whose name matches as a whole" },
    { name: "full", short: "f", help: "Whose whole command line matches" },
    { name: "long", short: "l", help: "Print the command line behind each" },
    { name: "json", help: "Print an object for each" },
  ],
  exitCode: "0; 125 if pidfd failed; 127 if there is no such process.",
  examples: [
    "pidfd find -l nginx",
    "pidfd find -u www-data -x php-fpm | pidfd kill -",
    "pidfd wait $(pidfd find -f 'make -j')",
  ],
  run: findCommand,
};

function findCommand(args: string[]): number {
  const given = parse(args, find);
  const [pattern, ...more] = given.positionals;
  if (more.length > 0) throw new UsageError(`one pattern at a time: ${more[0]}`);
  const user = given.text("user");
  if (pattern === undefined && user === undefined) {
    throw new UsageError("a pattern is needed, or --user");
  }
  const uid = user === undefined ? undefined : readUser(user);
  const isMatch = matcher(pattern ?? "", given.has("exact"));
  const isFull = given.has("full");
  const found = findAll().filter(({ pid, comm, command, creds }) => {
    if (pid === Deno.pid || (uid !== undefined && creds.euid !== uid)) return false;
    return isMatch.test(isFull ? command ?? comm : comm);
  });
  for (const { comm: _, ref, command, ...rest } of found) {
    if (given.has("json")) {
      const { pid, id, ppid, creds } = rest;
      printJson({ ref, pid, id, command, ppid, creds });
    } else if (given.has("long")) printLine([`${ref} ${command ?? ""}`, ""]);
    else printLine([ref, ""]);
  }
  if (found.length > 0) return 0;
  if (!isFull && pattern !== undefined && isTooLong(pattern)) {
    say(`no name is longer than ${LONGEST_NAME} bytes; --full looks at whole command lines`);
  }
  return NOT_FOUND;
}

/** Whether a pattern is a mere text that no name has room for. */
function isTooLong(pattern: string): boolean {
  return /^[\w -]+$/.test(pattern) && pattern.length > LONGEST_NAME;
}

function matcher(pattern: string, exact: boolean): RegExp {
  try {
    return new RegExp(exact ? `^(?:${pattern})$` : pattern, "u");
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readUser(user: string): number {
  if (/^\d+$/.test(user)) return Number(user);
  try {
    return findAccount(user).uid;
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
    throw new UsageError(`--user: there is no user ${JSON.stringify(user)}`);
  }
}

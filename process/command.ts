/**
 * What is executed: the program's file, its arguments and its environment, found as
 * `Deno.Command` finds them.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { isExecutable } from "../ffi/files.ts";
import { environment } from "../ffi/libc.ts";
import { checkInstance, checkString } from "../pidfd/arguments.ts";

/** Where programs are looked for if the environment has no PATH: execvp(3)'s own default. */
const DEFAULT_PATH = "/bin:/usr/bin";

/** The part of the options that the command line depends on. */
export interface CommandOptions {
  readonly args?: readonly string[];
  readonly argv0?: string;
  readonly cwd?: string | URL;
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
}

/** A command ready to be executed. */
export interface ResolvedCommand {
  readonly path: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly cwd?: string;
}

/** Checks and completes a command. */
export function resolveCommand(command: string | URL, options: CommandOptions): ResolvedCommand {
  const { args = [], argv0, env = {}, clearEnv = false } = options;
  const name = pathText("command", command);
  if (name === "") throw new TypeError("command must not be empty");
  const cwd = options.cwd === undefined ? undefined : pathText("options.cwd", options.cwd);
  checkInstance("options.args", args, "an array", Array);
  args.forEach((arg, i) => checkText(`options.args[${i}]`, arg));
  if (argv0 !== undefined) checkText("options.argv0", argv0);

  const variables = mergeEnvironment(env, clearEnv);
  const path = findProgram(name, cwd, variables.get("PATH") ?? DEFAULT_PATH);
  return {
    path,
    argv: [argv0 ?? path, ...args],
    envp: [...variables].map(([name, value]) => `${name}=${value}`),
    cwd,
  };
}

/** A program is what has a slash in it, or else the first executable of its name in PATH. */
function findProgram(name: string, cwd: string | undefined, searchPath: string): string {
  if (name.includes("/")) return fromFolder(cwd, name);
  for (const folder of searchPath.split(":")) {
    const path = fromFolder(cwd, `${folder || "."}/${name}`);
    if (isExecutable(path)) return path;
  }
  throw failure("posix_spawn", Errno.ENOENT, { [Errno.ENOENT]: `${name} is not in the PATH` });
}

/** A relative path starts where the child does. */
function fromFolder(folder: string | undefined, path: string): string {
  return folder === undefined || path.startsWith("/") ? path : `${folder}/${path}`;
}

function mergeEnvironment(
  env: Readonly<Record<string, string>>,
  clear: boolean,
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of clear ? [] : environment()) {
    // A name may begin with "=", as no sane one does.
    const equals = line.indexOf("=", 1);
    if (equals > 0) variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  for (const [name, value] of Object.entries(env)) {
    checkText("options.env", name);
    checkText(`options.env.${name}`, value);
    if (name === "" || name.includes("=")) {
      throw new TypeError(`options.env must not have the name ${JSON.stringify(name)}`);
    }
    variables.set(name, value);
  }
  return variables;
}

function pathText(name: string, path: string | URL): string {
  if (path instanceof URL) {
    if (path.protocol !== "file:") throw new TypeError(`${name} must be a file URL: ${path}`);
    return decodeURIComponent(path.pathname);
  }
  checkText(name, path);
  return path;
}

/** A string that C can hold. */
function checkText(name: string, value: unknown): void {
  checkString(name, value);
  if (value.includes("\0")) {
    throw new TypeError(`${name} must not have a NUL byte in it: ${JSON.stringify(value)}`);
  }
}

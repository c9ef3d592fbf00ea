/**
 * What is executed: the program's file, its arguments and its environment, found as
 * `Deno.Command` finds them.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { isExecutable } from "../ffi/files.ts";
import { environment, environmentVariable } from "../ffi/libc.ts";
import { checkBoolean, checkCText, checkInstance, checkRecord } from "../pidfd/arguments.ts";
import { decodeText, fromCString } from "../structs/cstring.ts";

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
  /** Lines of the form `NAME=value`; undefined for this program's own environment. */
  readonly envp?: readonly (string | Uint8Array)[];
  readonly cwd?: string;
}

/** Checks and completes a command. */
export function resolveCommand(command: string | URL, options: CommandOptions): ResolvedCommand {
  const { args = [], argv0, env = {}, clearEnv = false } = options;
  const name = pathText("command", command);
  if (name === "") throw new TypeError("command must not be empty");
  const cwd = options.cwd === undefined ? undefined : pathText("options.cwd", options.cwd);
  checkInstance("options.args", args, "an array", Array);
  args.forEach((arg, i) => checkCText(`options.args[${i}]`, arg));
  if (argv0 !== undefined) checkCText("options.argv0", argv0);
  checkRecord("options.env", env);
  checkBoolean("options.clearEnv", clearEnv);

  const variables = clearEnv || Object.keys(env).length > 0
    ? mergeEnvironment(env, clearEnv)
    : undefined;
  const searchPath = () => {
    if (!variables) return environmentVariable("PATH");
    const line = variables.get("PATH");
    return (typeof line === "object" ? fromCString(line) : line)?.slice("PATH=".length);
  };
  const path = name.includes("/") ? name : findProgram(name, cwd, searchPath() ?? DEFAULT_PATH);
  const envp = variables && [...variables.values()];
  return { path, argv: [argv0 ?? path, ...args], envp, cwd };
}

/** The first executable of that name in the folders of PATH. */
function findProgram(name: string, cwd: string | undefined, searchPath: string): string {
  for (const folder of searchPath.split(":")) {
    const path = `${folder || "."}/${name}`;
    if (isExecutable(fromFolder(cwd, path))) return path;
  }
  throw failure("posix_spawn", Errno.ENOENT, { [Errno.ENOENT]: `${name} is not in the PATH` });
}

/** Where a path leads in the child, which reads it from its own folder. */
function fromFolder(folder: string | undefined, path: string): string {
  return folder === undefined || path.startsWith("/") ? path : `${folder}/${path}`;
}

/** The lines of the child's environment by their names; what is inherited stays as it is. */
function mergeEnvironment(
  env: Readonly<Record<string, string>>,
  clear: boolean,
): Map<string, string | Uint8Array> {
  const variables = new Map<string, string | Uint8Array>();
  for (const line of clear ? [] : environment()) {
    // A name may begin with "=", as no sane one does.
    const equals = line.indexOf("=".charCodeAt(0), 1);
    if (equals > 0) variables.set(decodeText(line.subarray(0, equals)), line);
  }
  for (const [name, value] of Object.entries(env)) {
    checkCText("options.env", name);
    checkCText(`options.env.${name}`, value);
    if (name === "" || name.includes("=")) {
      throw new TypeError(`options.env must not have the name ${JSON.stringify(name)}`);
    }
    variables.set(name, `${name}=${value}`);
  }
  return variables;
}

function pathText(name: string, path: string | URL): string {
  if (path instanceof URL) {
    if (path.protocol !== "file:") throw new TypeError(`${name} must be a file URL: ${path}`);
    path = decodeURIComponent(path.pathname);
  }
  checkCText(name, path);
  return path;
}

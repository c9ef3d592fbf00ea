/**
 * What is executed: the program's file, its arguments and its environment, found as
 * `Deno.Command` finds them.
 *
 * @module
 */

import { isExecutable, isFile } from "../ffi/files.ts";
import { notExecutable, notFound } from "../ffi/launch_failure.ts";
import { checkCText, pathText } from "../pidfd/arguments.ts";
import { childEnvironment, type EnvironmentOptions } from "./environment.ts";

/** Where programs are looked for if the environment has no PATH: execvp(3)'s own default. */
const DEFAULT_PATH = "/bin:/usr/bin";

/** The part of the options that the command line depends on. */
export interface CommandOptions extends EnvironmentOptions {
  /** Arguments that are checked. */
  readonly args?: readonly (string | Uint8Array)[];
  readonly argv0?: string;
  readonly cwd?: string | URL;
}

/** A command ready to be executed. */
export interface ResolvedCommand {
  readonly path: string;
  readonly argv: readonly (string | Uint8Array)[];
  /** The environment's strings. */
  readonly environment: Uint8Array<ArrayBuffer>;
  readonly cwd?: string;
}

/** Checks and completes a command. */
export function resolveCommand(command: string | URL, options: CommandOptions): ResolvedCommand {
  const { args = [], argv0 } = options;
  const name = filledPath("command", command);
  const cwd = options.cwd === undefined ? undefined : filledPath("options.cwd", options.cwd);
  if (argv0 !== undefined) checkCText("options.argv0", argv0);
  const { searchPath, strings } = childEnvironment(options);
  const path = name.includes("/") ? name : findProgram(name, cwd, searchPath ?? DEFAULT_PATH);
  return { path, argv: [argv0 ?? path, ...args], environment: strings, cwd };
}

/** A path that isn't empty: the kernel's error for that would be the one for a missing file. */
function filledPath(name: string, path: string | URL): string {
  const text = pathText(name, path);
  if (text === "") throw new TypeError(`${name} must not be empty`);
  return text;
}

/** The first executable of that name in the folders of PATH. */
function findProgram(name: string, cwd: string | undefined, searchPath: string): string {
  const paths = searchPath.split(":").map((folder) => `${folder || "."}/${name}`);
  const found = paths.find((path) => isExecutable(fromFolder(cwd, path)));
  if (found !== undefined) return found;
  const refused = paths.find((path) => isFile(fromFolder(cwd, path)));
  if (refused !== undefined) throw notExecutable(refused);
  throw notFound(name);
}

/** Where a path leads in the child, which reads it from its own folder. */
function fromFolder(folder: string | undefined, path: string): string {
  return folder === undefined || path.startsWith("/") ? path : `${folder}/${path}`;
}

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
  /** What is tried before that, in a file tree that this program can't look into. */
  readonly tried?: readonly string[];
  readonly argv: readonly (string | Uint8Array)[];
  /** The environment's strings. */
  readonly environment: Uint8Array<ArrayBuffer>;
  readonly cwd?: string;
}

/**
 * Checks and completes a command.
 *
 * @param isElsewhere Whether it is executed in a file tree that this program can't look into.
 */
export function resolveCommand(
  command: string | URL,
  options: CommandOptions,
  isElsewhere = false,
): ResolvedCommand {
  const { args = [], argv0 } = options;
  const name = filledPath("command", command);
  const cwd = options.cwd === undefined ? undefined : filledPath("options.cwd", options.cwd);
  if (argv0 !== undefined) checkCText("options.argv0", argv0);
  const { searchPath, strings } = childEnvironment(options);
  const paths = name.includes("/") ? [name] : pathsOf(name, searchPath ?? DEFAULT_PATH);
  // The last one's error is the command's.
  const tried = isElsewhere ? paths.slice(0, -1) : undefined;
  const path = isElsewhere || name.includes("/") ? paths.at(-1)! : findProgram(name, paths, cwd);
  return { path, tried, argv: [argv0 ?? path, ...args], environment: strings, cwd };
}

/** Where a program can be, in the folders of PATH. */
function pathsOf(name: string, searchPath: string): string[] {
  return searchPath.split(":").map((folder) => `${folder || "."}/${name}`);
}

/** A path that isn't empty: the kernel's error for that would be the one for a missing file. */
function filledPath(name: string, path: string | URL): string {
  const text = pathText(name, path);
  if (text === "") throw new TypeError(`${name} must not be empty`);
  return text;
}

/** The first of them that can be executed. */
function findProgram(name: string, paths: readonly string[], cwd: string | undefined): string {
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

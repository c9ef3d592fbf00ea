/**
 * The environment that a child gets.
 *
 * @module
 */

import { environment, type EnvironmentLine, nameOf } from "../ffi/environment.ts";
import { stringVector } from "../ffi/steps.ts";
import { checkBoolean, checkCText, checkRecord } from "../pidfd/arguments.ts";
import { cString, fromCString } from "../structs/cstring.ts";

/** A child's environment. */
export interface ChildEnvironment {
  /** Its variable PATH. */
  readonly searchPath: string | undefined;
  /** Its strings, as execve(2) takes them. */
  readonly strings: Uint8Array<ArrayBuffer>;
}

/** The options that it depends on. */
export interface EnvironmentOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
}

/** The lines of an environment by `nameOf`; what is inherited stays as it is. */
type Variables = Map<string, EnvironmentLine>;

/** Checks the options, and makes the environment. */
export function childEnvironment(options: EnvironmentOptions): ChildEnvironment {
  const { env = {}, clearEnv = false } = options;
  checkRecord("options.env", env);
  checkBoolean("options.clearEnv", clearEnv);
  const changes = Object.entries(env);
  for (const [name, value] of changes) checkVariable(name, value);
  if (!clearEnv && changes.length === 0) return inherited();
  const variables: Variables = clearEnv ? new Map() : variablesOf(environment());
  for (const [name, value] of changes) {
    const line = cString(`${name}=${value}`, "options.env");
    variables.set(nameOf(line), line);
  }
  return make(variables);
}

function checkVariable(name: string, value: string): void {
  checkCText("options.env", name);
  checkCText(`options.env.${name}`, value);
  if (name === "" || name.includes("=")) {
    throw new TypeError(`options.env must not have the name ${JSON.stringify(name)}`);
  }
}

let last:
  | { readonly lines: readonly EnvironmentLine[]; readonly made: ChildEnvironment }
  | undefined;

/** This program's own environment, made once for as long as it stays the same. */
function inherited(): ChildEnvironment {
  const lines = environment();
  if (last?.lines !== lines) last = { lines, made: make(variablesOf(lines)) };
  return last.made;
}

function variablesOf(lines: readonly EnvironmentLine[]): Variables {
  const variables: Variables = new Map();
  for (const line of lines) {
    const name = nameOf(line);
    if (name !== "") variables.set(name, line);
  }
  return variables;
}

function make(variables: Variables): ChildEnvironment {
  const path = variables.get("PATH");
  return {
    searchPath: path && fromCString(path).slice("PATH=".length),
    strings: stringVector([...variables.values()], "options.env"),
  };
}

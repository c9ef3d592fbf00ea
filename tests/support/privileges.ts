/**
 * Commands that execute another one with other rights than this process has, or in namespaces
 * of its own. Each is a prefix for `runProgram`, and empty where none is needed.
 *
 * @module
 */

import { isRoot } from "./processes.ts";
import { canRun } from "./skip.ts";

/**
 * Namespaces of its own, by options of unshare(1). An ordinary user gets a user namespace as
 * well, and is root there. What is in a PID namespace ends with the command.
 */
export function inNamespaces(...options: string[]): string[] {
  return [...(isRoot ? ["unshare"] : ["unshare", "--map-root-user"]), ...options];
}

/** Root in some user namespace: this one, or one of its own. */
export const asSomeRoot: string[] = isRoot ? [] : inNamespaces();

/** Without capabilities, which only root has to begin with: `"sys_ptrace"`. */
export function withoutCapability(...names: string[]): string[] {
  return isRoot ? ["setpriv", `--bounding-set=${names.map((name) => `-${name}`).join()}`] : [];
}

/** Whether a prefix works here. */
export function works([command, ...args]: readonly string[]): boolean {
  return command === undefined || canRun(command, [...args, "true"]);
}

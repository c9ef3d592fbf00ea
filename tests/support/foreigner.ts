/**
 * Processes that a command has no right to signal.
 *
 * @module
 */

import { withoutCapability, works } from "./privileges.ts";
import { eventually, isRoot } from "./processes.ts";

/** A command that executes the one behind it as another user than root. */
export const AS_NOBODY: readonly string[] = ["setpriv", "--reuid=65534", "--clear-groups"];

/** Without the right to signal everybody, which only root has to begin with. */
const WITHOUT_RIGHT = withoutCapability("kill");

/** The first arguments of `needing` for a test that starts processes of another user. */
export const OTHER_USERS = [
  "root, and setpriv",
  isRoot && works(AS_NOBODY) && works(WITHOUT_RIGHT),
] as const;

/** The first arguments of `needing` for a test with a foreigner. */
export const FOREIGNERS = [
  "a process of another user",
  isRoot ? OTHER_USERS[1] : Deno.statSync("/proc/1").uid !== Deno.uid(),
] as const;

/** A process that a command with the prefix may not signal. */
export interface Foreigner extends AsyncDisposable {
  readonly pid: number;
  readonly prefix: readonly string[];
}

/** Starts one, where this can be done; the system's init is another user's otherwise. */
export async function startForeigner(): Promise<Foreigner> {
  const prefix = WITHOUT_RIGHT;
  if (!isRoot) return { pid: 1, prefix, async [Symbol.asyncDispose]() {} };
  const [command, ...args] = AS_NOBODY;
  const child = new Deno.Command(command, { args: [...args, "sleep", "60"] }).spawn();
  const uid = () => Deno.statSync(`/proc/${child.pid}`).uid;
  await eventually(`${child.pid} is another user's`, () => uid() !== Deno.uid());
  return {
    pid: child.pid,
    prefix,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

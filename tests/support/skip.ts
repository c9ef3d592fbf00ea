/**
 * Tests that not every machine can run: they are ignored there, and their names say why.
 *
 * @module
 */

/** The first argument of `Deno.test` for a test that needs something. */
export function needing(
  what: string,
  isThere: boolean,
  name: string,
): { name: string; ignore: boolean } {
  return { name: isThere ? name : `${name} (skipped: needs ${what})`, ignore: !isThere };
}

/** Whether a command is there and ends well. */
export function canRun(command: string, args: readonly string[]): boolean {
  try {
    return new Deno.Command(command, { args: [...args], stdin: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether a program can forbid itself calls (seccomp(2)). */
export function canFilter(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/seccomp/actions_avail").includes("errno");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Whether a program of Deno's can know here which signals it was started to ignore: Deno 2.9 handles some
 * itself from half a second after its start on, which some emulated machines take for the start alone.
 *
 * @module
 */

import { ROOT } from "./processes.ts";

/** The first arguments of `needing` for a test with ignored signals. */
export const STARTS_EARLY = [
  "a machine on which Deno starts within half a second",
  startsEarly(),
] as const;

function startsEarly(): boolean {
  const code = `import { ignoredMask } from "file://${ROOT}cli/ignored_signals.ts";
    console.log(ignoredMask());`;
  const url = `data:text/typescript,${encodeURIComponent(code)}`;
  const script = `trap '' HUP; exec "$@"`;
  const args = ["-c", script, "sh", Deno.execPath(), "run", "--no-check", "--allow-all", url];
  const { stdout } = new Deno.Command("sh", { args, stderr: "inherit" }).outputSync();
  // The last digit has the first four signals, of which SIGHUP is the first.
  return parseInt(new TextDecoder().decode(stdout).trim().at(-1)!, 16) % 2 === 1;
}

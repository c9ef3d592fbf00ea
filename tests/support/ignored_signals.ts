/**
 * Which signals the tests were started to ignore, and whether a program of Deno's can know that here:
 * Deno 2.9 handles some itself from half a second after its start on, which some emulated machines take
 * for the start alone.
 *
 * @module
 */

import { signalNumber } from "../../pidfd/signals.ts";
import { readProc } from "./proc.ts";
import { ROOT } from "./processes.ts";

const IGNORED = BigInt(`0x${/^SigIgn:\t(\w+)/m.exec(readProc("self/status")!)![1]}`);

/**
 * The first arguments of `needing` for a test in which a shell traps a signal. It can't, if it was
 * started to ignore it: the background jobs of a shell without job control ignore SIGINT and SIGQUIT.
 */
export function heeding(signal: Deno.Signal): readonly [what: string, isThere: boolean] {
  const bit = 1n << BigInt(signalNumber("signal", signal) - 1);
  return [`a start with ${signal} not ignored`, (IGNORED & bit) === 0n];
}

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

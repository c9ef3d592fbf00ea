/**
 * What a child has left behind: how it ended, and all that it wrote.
 *
 * @module
 */

import { decodeUtf8 } from "../pidfd/collect.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";

/**
 * The exit status of a child, and all that it wrote: what {@linkcode Child.output} and
 * {@linkcode spawnAndWait} resolve with. It can be used wherever a `Deno.CommandOutput` is
 * expected.
 *
 * A stream that isn't piped has neither bytes nor text: both throw a TypeError, as Deno's do.
 */
export interface ChildOutput extends ExitStatus {
  /** What it wrote to its standard output. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it wrote to its standard error. */
  readonly stderr: Uint8Array<ArrayBuffer>;
  /** The same as `stdout`, as a text. It is decoded when it is asked for: UTF-8. */
  readonly stdoutText: string;
  /** The same as `stderr`, as a text. It is decoded when it is asked for: UTF-8. */
  readonly stderrText: string;
}

/** What was collected of each stream that is piped. */
export interface Collected {
  readonly stdout?: Uint8Array<ArrayBuffer>;
  readonly stderr?: Uint8Array<ArrayBuffer>;
}

/** Makes what users get of what was collected. */
export function outputOf(status: ExitStatus, collected: Collected): ChildOutput {
  const output = { ...status };
  for (const name of ["stdout", "stderr"] as const) {
    const bytes = collected[name];
    // What isn't there is hidden from copies of the object, which would fail otherwise.
    Object.defineProperty(
      output,
      name,
      bytes ? { value: bytes, enumerable: true } : { get: () => refuse(name) },
    );
    let text: string | undefined;
    Object.defineProperty(output, `${name}Text`, {
      get: () => text ??= decodeUtf8(bytes ?? refuse(name)),
    });
  }
  return output as ChildOutput;
}

function refuse(name: "stdout" | "stderr"): never {
  throw notPiped(name);
}

/** The exception for a stream that isn't piped. Its beginning is the message that Deno has. */
export function notPiped(name: "stdin" | "stdout" | "stderr"): TypeError {
  return new TypeError(
    `Cannot get '${name}': '${name}' is not piped: start the child with { ${name}: "piped" }`,
  );
}

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
 * A stream that isn't piped has neither bytes nor text: to ask for them is a TypeError, as with
 * Deno's.
 */
export interface ChildOutput extends ExitStatus {
  /** What it wrote to its standard output. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it wrote to its standard error. */
  readonly stderr: Uint8Array<ArrayBuffer>;
  /** `stdout` as a text: decoded from UTF-8 when it is asked for. */
  readonly stdoutText: string;
  /** `stderr` as a text: decoded from UTF-8 when it is asked for. */
  readonly stderrText: string;
  /** Whether there was more: behind `maxBytes`, or after `waitDelay`. */
  readonly truncated: boolean;
}

/** What was collected of the streams that are piped. */
export interface Collected {
  readonly stdout?: Uint8Array<ArrayBuffer>;
  readonly stderr?: Uint8Array<ArrayBuffer>;
  readonly truncated: boolean;
}

/** Makes what users get of what was collected. */
export function outputOf(status: ExitStatus, { truncated, ...streams }: Collected): ChildOutput {
  const output = { ...status, truncated };
  for (const name of ["stdout", "stderr"] as const) {
    const bytes = streams[name];
    const refuse = () => {
      throw notPiped(name);
    };
    // A stream that isn't there is no property that a copy of the object would ask for.
    const stream = bytes ? { value: bytes, enumerable: true } : { get: refuse };
    Object.defineProperty(output, name, stream);
    let text: string | undefined;
    const decode = () => text ??= decodeUtf8(bytes ?? refuse());
    Object.defineProperty(output, `${name}Text`, { get: decode });
  }
  return output as ChildOutput;
}

/** The exception for a stream that isn't piped. It begins as Deno's does. */
export function notPiped(name: "stdin" | "stdout" | "stderr"): TypeError {
  return new TypeError(
    `Cannot get '${name}': '${name}' is not piped: start the child with { ${name}: "piped" }`,
  );
}

/**
 * Programs of Deno's that use the library, and are to end in a way of their own.
 *
 * @module
 */

import { startTalking, type TalkingChild } from "./children.ts";
import { ROOT } from "./processes.ts";

/**
 * Starts a program that prints lines. `@pidfd/util` can be imported in it. It ends at the latest with
 * the block, if its input is what it waits for.
 */
export function startProgram(code: string): TalkingChild {
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(file, code);
  const program = startTalking("env", [
    ...["DENO_NO_UPDATE_CHECK=1", Deno.execPath(), "run", "--allow-all", "--no-check"],
    ...["--import-map", `${ROOT}tests/std/import_map.json`, file],
  ]);
  return {
    ...program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await Deno.remove(file);
    },
  };
}

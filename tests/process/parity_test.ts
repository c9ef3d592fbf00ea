/**
 * That a command has the same outcome, whether Deno or this library starts it: its bytes, its code,
 * its signal, or the class of the error. A case is a line in a table (tests/support/parity.ts).
 *
 * @module
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { deadline } from "@std/async";
import { spawn, spawnAndWait, spawnAndWaitSync } from "../../mod.ts";
import { CASES, outcomeOf } from "../support/parity.ts";
import { PATIENCE } from "../support/processes.ts";

type Call = () => Deno.CommandOutput | Promise<Deno.CommandOutput>;

/** The ways to collect what a command writes, by this library and by Deno. */
const CALLS: Record<
  string,
  (command: string | URL, options: Deno.CommandOptions) => [ours: Call, denos: Call]
> = {
  "spawn() with pipes": (command, options) => [
    () => spawn(command, { stdout: "piped", stderr: "piped", ...options }).output(),
    () => Deno.spawn(command, { stdout: "piped", stderr: "piped", ...options }).output(),
  ],
  "spawnAndWait()": (command, options) => [
    () => spawnAndWait(command, options),
    () => Deno.spawnAndWait(command, options),
  ],
  "spawnAndWaitSync()": (command, options) => [
    () => spawnAndWaitSync(command, options),
    () => Deno.spawnAndWaitSync(command, options),
  ],
};

/** Where Deno 2.9 differs from itself, and this library from that. */
const DIFFERENCES: Record<string, readonly string[]> = {
  // It takes the option, and ignores it.
  "detached": ["spawnAndWait()", "spawnAndWaitSync()"],
  // It says NotADirectory here alone.
  "a file as cwd": ["spawnAndWaitSync()"],
};

for (const [how, calls] of Object.entries(CALLS)) {
  Deno.test(`${how} has the same outcome as Deno's, case by case`, async (t) => {
    for (const [name, command, options] of CASES) {
      await t.step(name, async () => {
        const [ours, denos] = calls(command, options);
        const both = Promise.all([outcomeOf(ours), outcomeOf(denos)]);
        const [our, their] = await deadline(both, PATIENCE);
        if (DIFFERENCES[name]?.includes(how)) assertNotEquals(our, their);
        else assertEquals(our, their);
      });
    }
  });
}

/** What all cases write to inherited streams. */
async function inherited(by: "ours" | "denos"): Promise<string[]> {
  const program = new URL("../support/parity.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await Deno.spawnAndWait(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", program, by],
  });
  const texts = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(success, true, texts[1]);
  return texts.flatMap((text) => text.split("\n== "));
}

Deno.test("spawn() has the same outcome as Deno's with inherited streams", async () => {
  const [ours, denos] = await deadline(
    Promise.all([inherited("ours"), inherited("denos")]),
    PATIENCE,
  );
  assertEquals(ours.length, 2 * (CASES.length + 1));
  assertEquals(ours, denos);
});

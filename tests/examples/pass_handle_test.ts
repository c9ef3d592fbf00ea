/**
 * The example of handles that are passed on, with `--allow-ffi` alone.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { startExample } from "../support/examples.ts";
import { PATIENCE, readStat } from "../support/processes.ts";

Deno.test("pass_handle.ts hands the same process to both others", async () => {
  await using example = startExample("pass_handle.ts", ["--allow-ffi"], []);
  const lines = await deadline(example.rest(), PATIENCE);
  assertEquals((await example.child.status).code, 0);
  const [, job] = /^starter {3}started (.*)$/.exec(lines[0])!;
  assertMatch(job, /^process \d+( with id \d+)?$/);
  // The receiver ends the process before it ends itself.
  assertEquals(lines.slice(1), [
    `inheritor holds ${job}, and leaves it alone`,
    `receiver  was told "please end it", and holds ${job}`,
    "starter   it was ended by SIGTERM",
  ]);
  assertEquals(["Z", undefined].includes(readStat(parseInt(job.slice(8)))?.state), true);
});

/**
 * Waiting while all threads of Deno's pool are taken, so that no parked call can begin.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ROOT, runForValue } from "../support/processes.ts";

/** Takes all threads. They end long after the test, which ends by Deno.exit(). */
const TAKEN = `
  import { spawn } from "@pidfd/util";
  import { readStat } from "${ROOT}tests/support/proc.ts";

  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    poll: { parameters: ["pointer", "usize", "i32"], result: "i32", nonblocking: true },
  });
  let isOver = false;
  for (let i = 0; i < 40; i++) libc.poll(null, 0n, 600_000).then(() => isOver = true);
`;

Deno.test("Child.status arrives while all of Deno's threads are taken by others", async () => {
  const facts = await runForValue(
    `
    ${TAKEN}
    const child = spawn("sh", { args: ["-c", "echo out; exit 7"], stdout: "piped" });
    const { code, stdout } = await child.output();
    const later = spawn("sh", { args: ["-c", "exit 8"] });
    const codes = [code, (await later.status).code];
    console.log(JSON.stringify([codes, new TextDecoder().decode(stdout), isOver, readStat(child.pid)]));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(facts, [[7, 8], "out\n", false, null]);
});

Deno.test("Child.status arrives though the child was unref'd when no thread was left", async () => {
  const facts = await runForValue(
    `
    ${TAKEN}
    const child = spawn("sh", ["-c", "read line; exit 7"], { stdin: "piped" });
    // By then a call is parked, which doesn't begin.
    await new Promise((resolve) => setTimeout(resolve));
    child.unref();
    await child.stdin.close();
    const { code } = await child.status;
    console.log(JSON.stringify([code, isOver]));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(facts, [7, false]);
});

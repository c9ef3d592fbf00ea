/**
 * The watcher: that it starts anew what has ended, and lets it run when it ends itself.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { PidFd } from "../../mod.ts";
import { startHeld } from "../support/children.ts";
import { startExample } from "../support/examples.ts";
import { PATIENCE } from "../support/processes.ts";

Deno.test("watch_service.ts starts again what has ended, and leaves it running", async () => {
  await using held = startHeld(7);
  const pid = held.child.pid;
  await using watcher = startExample("watch_service.ts", ["--allow-ffi"], [
    String(pid),
    "sleep",
    "60",
  ]);
  const line = () => deadline(watcher.line(), PATIENCE);
  assertEquals(await line(), `watching ${pid}`);
  held.exit();
  assertMatch(
    (await line())!,
    /^it (exited with code 7|ended, nobody tells how); starting .* in 0 ms$/,
  );
  const next = async () => PidFd.fromPid(Number(/^watching (\d+)$/.exec((await line())!)![1]));
  using second = await next();
  second.kill();
  assertEquals(await line(), "it was ended by SIGKILL; starting it again in 500 ms");
  using third = await next();
  watcher.child.kill("SIGINT");
  assertEquals(await line(), "not watching any more");
  assertEquals((await deadline(watcher.child.status, PATIENCE)).code, 0);
  assertEquals(third.isAlive(), true);
  third.kill();
  await deadline(third.exited(), PATIENCE);
});

Deno.test("watch_service.ts says how it is used", async () => {
  await using watcher = startExample("watch_service.ts", ["--allow-ffi"], []);
  assertEquals([await watcher.rest(), (await watcher.child.status).code], [[], 2]);
});

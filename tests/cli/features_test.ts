/**
 * `pidfd features`: what it prints is what the library says.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { features } from "../../mod.ts";
import { assertFails, objectsOf, output } from "../support/cli.ts";

const WORDS: Record<string, string> = {
  true: "yes",
  false: "no",
  null: "unknown",
  cgroup: "cgroup",
  mark: "mark",
};

Deno.test("pidfd features has an answer, a meaning and a version for everything", async () => {
  const lines = (await output(["features"])).trimEnd().split("\n");
  const answers = lines.map((line) => {
    const [, name, word] = /^(\w+) +(\w+) +\S.+ \(Linux [\d.]+\)$/.exec(line)!;
    return [name, word];
  });
  const expected = Object.entries(features()).map(([name, it]) => [name, WORDS[String(it)]]);
  assertEquals(Object.fromEntries(answers), Object.fromEntries(expected));
});

Deno.test("pidfd features --json prints what features() says", async () => {
  assertEquals(objectsOf(await output(["features", "--json"])), [{ ...features() }]);
});

Deno.test("pidfd features says what isn't there", async () => {
  const options = { onOldSystem: true };
  assertMatch(await output(["features"], options), /^ids {14}no {7}\S/m);
  const [found] = objectsOf(await output(["features", "--json"], options));
  assertEquals(found.pidfdOpen, true);
  for (const name of ["ids", "info", "exitInfo", "idHandles", "namespaceIoctls"]) {
    assertEquals(found[name], false, name);
  }
});

Deno.test("pidfd features takes nothing but options", async () => {
  await assertFails(["features", "ids"], 125, /nothing but options: ids \(pidfd features --help/);
});

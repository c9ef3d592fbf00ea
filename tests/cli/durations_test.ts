/**
 * Lengths of time on a command line.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/command.ts";
import { after, readDuration, withUnit } from "../../cli/durations.ts";

Deno.test("readDuration() reads durations as timeout(1) and people write them", () => {
  const durations = {
    "0": 0,
    "1": 1000,
    "0.5": 500,
    ".5": 500,
    "5.": 5000,
    "0s": 0,
    "500ms": 500,
    "30s": 30_000,
    "1.5m": 90_000,
    "2h": 7_200_000,
    "1d": 86_400_000,
    "1m30s": 90_000,
    "1h0.5m500ms": 3_630_500,
    "597h": 597 * 3_600_000,
    "infinity": Infinity,
    "inf": Infinity,
  };
  for (const [text, milliseconds] of Object.entries(durations)) {
    assertEquals(readDuration("--timeout", text), milliseconds, text);
  }
});

Deno.test("readDuration() refuses what is no duration, and says for which option", () => {
  const texts = ["", " ", "s", ".", "-1", "-1s", "+1s", "1 s", "1S", "1e3s", "1e3", "0x1s", "."];
  for (const text of [...texts, "1s2", "1s\n", "1sm", "Infinitys", "NaN", "1y"]) {
    const error = assertThrows(() => readDuration("--grace", text), UsageError);
    const examples = "0.5, 500ms, 30s, 1m30s or 2h";
    const quoted = JSON.stringify(text);
    assertEquals(error.message, `--grace must be a duration such as ${examples}: ${quoted}`);
  }
});

Deno.test("withUnit() adds the unit to mere seconds", () => {
  const texts = { "1": "1s", ".5": ".5s", "1m30s": "1m30s", "500ms": "500ms", inf: "inf" };
  for (const [text, shown] of Object.entries(texts)) assertEquals(withUnit(text), shown);
});

Deno.test("after() waits for longer than a timer can, and can be cancelled", async () => {
  const called: string[] = [];
  const long = after(2 ** 31 + 1000, () => called.push("long"));
  const short = Promise.withResolvers<void>();
  after(1, () => short.resolve());
  await short.promise;
  // setTimeout would have called by now what it takes for 1 ms.
  assertEquals(called, []);
  long.cancel();
});

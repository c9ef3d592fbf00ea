/**
 * Whether the tests on a machine are said to have passed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { MACHINES } from "./machines.ts";
import { fault, isSummary, type Result, verdict } from "./verdict.ts";

const GOOD = "ok | 1557 passed (142 steps) | 0 failed (37m8s)";
const SKIPPED = "ok | 1498 passed (142 steps) | 0 failed | 112 ignored (14 steps) (37m8s)";
const BAD = "FAILED | 1498 passed (142 steps) | 1 failed | 112 ignored (14 steps) (37m8s)";

const [OLDEST, , , NEWEST] = MACHINES;

function result(more: Partial<Result>): Result {
  const outcome = { endedByItself: true, code: 0 };
  return { machine: OLDEST, asRoot: true, outcome, summary: SKIPPED, ...more };
}

Deno.test("verdict() is good if the tests passed, and those that can't run there were skipped", () => {
  assertEquals(fault(result({})), null);
  assertEquals(verdict(result({})), `passed: ${SKIPPED}`);
});

Deno.test("verdict() names what failed", () => {
  const ended = { endedByItself: true, code: 1 };
  assertEquals(verdict(result({ outcome: ended, summary: BAD })), `FAILED: ${BAD}`);
  assertEquals(fault(result({ outcome: ended, summary: undefined })), "no tests were run");
  assertEquals(fault(result({ summary: undefined })), "no tests were run");
});

Deno.test("verdict() knows a machine that didn't end by itself, or didn't say how", () => {
  const stopped = { endedByItself: false, code: 0 };
  assertEquals(fault(result({ outcome: stopped })), "it had to be stopped");
  const silent = { endedByItself: true, code: null };
  assertEquals(fault(result({ outcome: silent })), "it ended without a word");
});

Deno.test("verdict() lets root skip nothing on the newest kernel", () => {
  assertEquals(fault(result({ machine: NEWEST, summary: GOOD })), null);
  assertEquals(fault(result({ machine: NEWEST })), `tests were skipped: ${SKIPPED}`);
  assertEquals(fault(result({ machine: NEWEST, asRoot: false })), null);
});

Deno.test("isSummary() knows what the test runner says last", () => {
  assertEquals([GOOD, SKIPPED, BAD].map(isSummary), [true, true, true]);
  assertEquals(isSummary("PidFd.wait() ... ok (1ms)"), false);
});

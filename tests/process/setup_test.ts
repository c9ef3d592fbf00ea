/**
 * The list of what happens to a child, as far as a child's own report doesn't show it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { stringVector } from "../../ffi/steps.ts";
import { setUp } from "../../process/setup.ts";

/** The ranges of fds that a child closes which keeps some. */
function closed(...kept: number[]): unknown[] {
  const fds = new Map(kept.map((fd) => [fd, fd]));
  const environment = stringVector([], "env");
  return setUp({ path: "/bin/true", argv: ["true"], environment, fds })
    .filter(({ call }) => call === "close_range")
    .map(({ args: [first, last] }) => [first, last]);
}

Deno.test("setUp() closes all fds but those that the child keeps, the first three too", () => {
  const LAST = 2 ** 32 - 1;
  assertEquals(closed(0, 1, 2), [[3, LAST]]);
  assertEquals(closed(), [[0, LAST]]);
  assertEquals(closed(1, 2), [[0, 0], [3, LAST]]);
  assertEquals(closed(0, 2), [[1, 1], [3, LAST]]);
  assertEquals(closed(9, 0, 5, 4), [[1, 3], [6, 8], [10, LAST]]);
});

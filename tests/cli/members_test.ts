/**
 * How the processes of a tree are named.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { nameOf } from "../../cli/members.ts";

Deno.test("nameOf() leaves out a command line that can't be seen", () => {
  assertEquals(nameOf("7:8", "sleep 60"), "7:8 (sleep 60)");
  assertEquals(nameOf(7, ""), "7");
});

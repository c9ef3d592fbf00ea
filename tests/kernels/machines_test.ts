/**
 * Which machines a command line asks for.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { MACHINES, nameOf, select } from "./machines.ts";
import { HostError } from "./tools.ts";

Deno.test("select() gives all machines if none is asked for", () => {
  assertEquals(select([]), [...MACHINES]);
});

Deno.test("select() finds machines by version, by architecture and by name", () => {
  const names = (...wanted: string[]) => select(wanted).map(nameOf);
  assertEquals(names("6.12"), ["6.12-amd64", "6.12-arm64"]);
  assertEquals(names("arm64"), ["6.12-arm64", "7-arm64"]);
  assertEquals(names("7-amd64", "5.10"), ["5.10-amd64", "7-amd64"]);
});

Deno.test("select() refuses what no machine is called", () => {
  assertThrows(() => select(["6.12", "6"]), HostError, 'no machine "6"; there are: 5.10-amd64,');
});

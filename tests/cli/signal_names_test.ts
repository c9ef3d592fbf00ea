/**
 * Signals on a command line.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/command.ts";
import { nameOfSignal, readSignal, SIGNAL_NAMES } from "../../cli/signal_names.ts";

Deno.test("readSignal() reads names in any case, with and without SIG", () => {
  for (const text of ["TERM", "SIGTERM", "term", "sigterm", "SigTerm"]) {
    assertEquals(readSignal(text), "SIGTERM", text);
  }
});

Deno.test("readSignal() reads numbers", () => {
  for (const number of [0, 9, 64]) assertEquals(readSignal(String(number)), number);
});

Deno.test("readSignal() reads real-time signals as kill(1) does", () => {
  const names = { RTMIN: 34, "RTMIN+1": 35, "SIGRTMIN+15": 49, "RTMAX-14": 50, RTMAX: 64 };
  for (const [name, number] of Object.entries(names)) assertEquals(readSignal(name), number, name);
});

Deno.test("readSignal() refuses what is no signal, and names the nearest", () => {
  for (const text of ["65", "-1", "", "NONSENSE", "RTMIN+31", "RTMAX+1", "1.5"]) {
    assertThrows(() => readSignal(text), UsageError, "there is no signal");
  }
  assertThrows(() => readSignal("TREM"), UsageError, 'signal "TREM": did you mean TERM?');
});

Deno.test("SIGNAL_NAMES has each name at its number", () => {
  assertEquals(SIGNAL_NAMES.length, 31);
  SIGNAL_NAMES.forEach((name, i) => assertEquals(nameOfSignal(i + 1), `SIG${name}`));
  assertEquals(nameOfSignal(40), "signal 40");
});

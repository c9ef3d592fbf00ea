/**
 * Signals on a command line.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/command.ts";
import { readSignal, SIGNAL_NAMES, translated } from "../../cli/signal_names.ts";

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
  for (const name of SIGNAL_NAMES) assertEquals(`${readSignal(name)}`, `SIG${name}`);
  SIGNAL_NAMES.forEach((name, i) => assertEquals(translated(name), `${i + 1}`));
});

Deno.test("translated() tells the names of numbers and exit codes, and the numbers of names", () => {
  const answers = { 9: "KILL", 143: "TERM", 128: "", 40: "RTMIN+6", 34: "RTMIN+0", kill: "9" };
  for (const [text, answer] of Object.entries({ ...answers, SIGTERM: "15", RTMAX: "64" })) {
    if (answer !== "") assertEquals(translated(text), answer, text);
    else assertThrows(() => translated(text), UsageError, `there is no signal "${text}"`);
  }
  for (const text of ["0", "65", "193", "999", "x"]) {
    assertThrows(() => translated(text), UsageError, `there is no signal "${text}"`);
  }
});

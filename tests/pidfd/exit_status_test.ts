/**
 * Exit statuses out of each form that they come in. Real processes are in exit_statuses_test.ts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  type ExitStatus,
  fromChildExit,
  fromCommandStatus,
  fromStatusWord,
} from "../../pidfd/exit_status.ts";
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED } from "../../structs/siginfo.ts";
import { startShell } from "../support/children.ts";

function exited(code: number): ExitStatus {
  return { success: code === 0, code, signal: null, signalNumber: null, coreDumped: false };
}

function killed(number: number, signal: Deno.Signal | null, coreDumped = false): ExitStatus {
  return { success: false, code: 128 + number, signal, signalNumber: number, coreDumped };
}

Deno.test("fromChildExit() has the code of a child that exited", () => {
  for (const code of [0, 1, 7, 128, 137, 255]) {
    assertEquals(fromChildExit({ code: CLD_EXITED, status: code }), exited(code));
  }
});

Deno.test("fromChildExit() has the signal of a child that was killed", () => {
  assertEquals(fromChildExit({ code: CLD_KILLED, status: 9 }), killed(9, "SIGKILL"));
  assertEquals(fromChildExit({ code: CLD_KILLED, status: 1 }), killed(1, "SIGHUP"));
});

Deno.test("fromChildExit() tells whether a child dumped core", () => {
  assertEquals(fromChildExit({ code: CLD_DUMPED, status: 11 }), killed(11, "SIGSEGV", true));
  assertEquals(fromChildExit({ code: CLD_KILLED, status: 11 }), killed(11, "SIGSEGV"));
});

Deno.test("fromChildExit() keeps the number of a real-time signal, which has no name", () => {
  assertEquals(fromChildExit({ code: CLD_KILLED, status: 40 }), killed(40, null));
  assertEquals(fromChildExit({ code: CLD_DUMPED, status: 64 }), killed(64, null, true));
});

/** Words of wait(2), as `WEXITSTATUS`, `WTERMSIG` and `WCOREDUMP` take them apart. */
const WORDS: [word: number, status: ExitStatus][] = [
  [0x0000, exited(0)],
  [0x0100, exited(1)],
  [0x0700, exited(7)],
  [0x8900, exited(137)],
  [0xff00, exited(255)],
  [0x0009, killed(9, "SIGKILL")],
  [0x000f, killed(15, "SIGTERM")],
  [0x008b, killed(11, "SIGSEGV", true)],
  [0x0028, killed(40, null)],
  [0x00c0, killed(64, null, true)],
];

for (const [word, status] of WORDS) {
  Deno.test(`fromStatusWord() takes 0x${word.toString(16).padStart(4, "0")} apart`, () => {
    assertEquals(fromStatusWord(word), status);
  });
}

Deno.test("fromCommandStatus() has what Deno knows", () => {
  assertEquals(fromCommandStatus({ success: true, code: 0, signal: null }), exited(0));
  assertEquals(fromCommandStatus({ success: false, code: 7, signal: null }), exited(7));
  assertEquals(
    fromCommandStatus({ success: false, code: 137, signal: "SIGKILL" }),
    killed(9, "SIGKILL"),
  );
  // Exited with the code of one that was killed.
  assertEquals(fromCommandStatus({ success: false, code: 137, signal: null }), exited(137));
});

Deno.test("fromCommandStatus() agrees with what Deno says of real children", async () => {
  for (
    const [command, status] of [
      ["exit 7", exited(7)],
      ["kill -15 $$", killed(15, "SIGTERM")],
    ] as const
  ) {
    assertEquals(fromCommandStatus(await startShell(command).status), status);
  }
});

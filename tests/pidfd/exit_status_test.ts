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
import { rusage } from "../../structs/rusage.ts";
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED } from "../../structs/siginfo.ts";
import { startShell } from "../support/children.ts";
import { ended, exited, killed } from "../support/statuses.ts";

/** How a child ended of which waitid(2) says so. */
function fromExit(code: number, status: number): ExitStatus | null {
  return ended(fromChildExit({ code, status, usage: rusage.allocate().fields }));
}

Deno.test("fromChildExit() has the code of a child that exited", () => {
  for (const code of [0, 1, 7, 128, 137, 255]) {
    assertEquals(fromExit(CLD_EXITED, code), exited(code));
  }
});

Deno.test("fromChildExit() has the signal of a child that was killed", () => {
  assertEquals(fromExit(CLD_KILLED, 9), killed(9, "SIGKILL"));
  assertEquals(fromExit(CLD_KILLED, 1), killed(1, "SIGHUP"));
});

Deno.test("fromChildExit() tells whether a child dumped core", () => {
  assertEquals(fromExit(CLD_DUMPED, 11), killed(11, "SIGSEGV", true));
  assertEquals(fromExit(CLD_KILLED, 11), killed(11, "SIGSEGV"));
});

Deno.test("fromChildExit() keeps the number of a real-time signal, which has no name", () => {
  assertEquals(fromExit(CLD_KILLED, 40), killed(40, null));
  assertEquals(fromExit(CLD_DUMPED, 64), killed(64, null, true));
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

Deno.test("fromChildExit() has milliseconds and bytes of what a child has used", () => {
  const usage = rusage.decode(rusage.encode({
    utime_sec: 1,
    utime_usec: 234_567,
    stime_usec: 5,
    ru_maxrss: 3,
    ru_minflt: 4,
    ru_majflt: 5,
    ru_inblock: 6,
    ru_oublock: 7,
    ru_nvcsw: 8,
    ru_nivcsw: 9,
  }));
  assertEquals(fromChildExit({ code: CLD_EXITED, status: 0, usage }).usage, {
    userTime: 1234.567,
    systemTime: 0.005,
    maxRss: 3072,
    minorFaults: 4,
    majorFaults: 5,
    blockReads: 6,
    blockWrites: 7,
    voluntarySwitches: 8,
    involuntarySwitches: 9,
  });
});

/**
 * How the command line is read.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  endOfOptions,
  HelpWanted,
  readDuration,
  readOptions,
  readSignal,
  UsageError,
} from "../../cli/command.ts";

Deno.test("readDuration() reads all units, and fractions of them", () => {
  const durations = {
    "0s": 0,
    "500ms": 500,
    "30s": 30_000,
    "1.5m": 90_000,
    "2h": 7_200_000,
    "0.25h": 900_000,
    "596h": 596 * 3_600_000,
  };
  for (const [text, milliseconds] of Object.entries(durations)) {
    assertEquals(readDuration("--timeout", text), milliseconds, text);
  }
});

Deno.test("readDuration() refuses what is no duration, and says for which option", () => {
  const texts = ["", " ", "5", "s", "-1s", "+1s", "1 s", "1d", "1S", "1e3s", "0x1s", ".5s", "1.s"];
  for (const text of [...texts, "1s2m", "1s\n", "Infinitys", "NaNs"]) {
    const error = assertThrows(() => readDuration("--grace", text), UsageError);
    assertEquals(error.message, `--grace must be a duration such as 500ms, 30s or 5m: ${text}`);
  }
});

Deno.test("readDuration() refuses what is too long for a timer", () => {
  for (const text of ["597h", "2147484s", "2147483648ms", `${"9".repeat(400)}s`]) {
    const error = assertThrows(() => readDuration("--timeout", text), UsageError);
    assertEquals(error.message, `--timeout must be at most 596h: ${text}`);
  }
  assertEquals(readDuration("--timeout", "2147483647ms"), 2 ** 31 - 1);
});

Deno.test("readSignal() reads names in any case, with and without SIG", () => {
  for (const text of ["TERM", "SIGTERM", "term", "sigterm", "SigTerm"]) {
    assertEquals(readSignal(text), "SIGTERM", text);
  }
});

Deno.test("readSignal() reads numbers", () => {
  for (const number of [0, 9, 64]) assertEquals(readSignal(String(number)), number);
});

const OPTIONS = {
  timeout: { type: "string" },
  signal: { type: "string", short: "s" },
  quiet: { type: "boolean" },
} as const;

Deno.test("endOfOptions() finds where a command line of someone else's begins", () => {
  const cases: [string[], number][] = [
    [["sh", "--quiet"], 0],
    [["--timeout", "3s", "sh", "--quiet"], 2],
    [["--timeout=3s", "sh", "-c"], 1],
    [["-s", "INT", "sh"], 2],
    [["-sINT", "sh"], 1],
    [["--timeout=3s", "--", "sh"], 1],
    [["--", "--quiet"], 0],
    [["--quiet", "sh", "--", "x"], 1],
    [["--quiet", "-", "x"], 1],
    [["--unknown", "sh"], 1],
    [["--timeout", "3s"], 2],
    [["--help"], 1],
    [[], 0],
  ];
  for (const [args, end] of cases) assertEquals(endOfOptions(args, OPTIONS), end, args.join(" "));
});

Deno.test("readOptions() reads options wherever they are, and what else there is", () => {
  const { values, positionals } = readOptions(["1", "--quiet", "2", "-s", "INT"], OPTIONS);
  assertEquals({ ...values }, { quiet: true, signal: "INT" });
  assertEquals(positionals, ["1", "2"]);
});

Deno.test("readOptions() takes what follows -- for no option", () => {
  assertEquals(readOptions(["--", "--quiet", "-h"], OPTIONS).positionals, ["--quiet", "-h"]);
});

Deno.test("readOptions() notices that help is wanted", () => {
  for (const option of ["--help", "-h"]) {
    assertThrows(() => readOptions(["1", option], OPTIONS), HelpWanted);
  }
});

Deno.test("readOptions() says in one line what is wrong", () => {
  const lines = [
    "--nonsense",
    "-x",
    "--timeout",
    "--timeout --quiet",
    "--timeout -5s",
    "--quiet=yes",
    "--no-quiet",
  ];
  for (const line of lines) {
    const { message } = assertThrows(() => readOptions(line.split(" "), OPTIONS), UsageError);
    assertEquals(message.split("\n").length, 1, message);
  }
});

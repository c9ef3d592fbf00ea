/**
 * Signals by name and by number, against the system's C headers and Deno.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Signal, signalName, signalNumber } from "../../pidfd/signals.ts";
import { startShell } from "../support/children.ts";
import { evaluate, hasCompiler } from "../support/c_compiler.ts";
import { needing } from "../support/skip.ts";

/** Linux's signals that Deno has a name for (signal(7)). */
const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} satisfies Partial<Record<Deno.Signal, number>>;

/** Second names. */
const ALIASES = { SIGPOLL: 29, SIGUNUSED: 31 } satisfies Partial<Record<Deno.Signal, number>>;

Deno.test("signalNumber() and signalName() know every signal of Linux's", () => {
  for (const [name, number] of Object.entries(SIGNALS)) {
    assertEquals(signalNumber("signal", name as Deno.Signal), number);
    assertEquals(signalName(number), name);
  }
});

Deno.test("signalNumber() knows second names, which signalName() doesn't use", () => {
  for (const [name, number] of Object.entries(ALIASES)) {
    assertEquals(signalNumber("signal", name as Deno.Signal), number);
    assert(signalName(number) !== name);
  }
});

Deno.test({
  ...needing("a C compiler", hasCompiler, "signalNumber() agrees with C's headers"),
  async fn() {
    const names = Object.keys({ ...SIGNALS, ...ALIASES }) as Deno.Signal[];
    const questions = names.map((name) => [name, { expression: name, macro: name }]);
    const inC = await evaluate("signal.h", "", Object.fromEntries(questions));
    // Newer ones have dropped SIGUNUSED.
    const ours = Object.keys(inC).map((name) => [name, signalNumber("", name as Deno.Signal)]);
    assertEquals(Object.fromEntries(ours), inC);
    assert(Object.keys(inC).length >= Object.keys(SIGNALS).length);
  },
});

Deno.test("signalName() agrees with Deno on what has ended a child", async () => {
  // Those that end it without dumping core.
  for (const number of [1, 2, 9, 10, 12, 13, 14, 15]) {
    const { signal } = await startShell(`kill -${number} $$`).status;
    assertEquals(signal, signalName(number));
  }
});

Deno.test("signalNumber() takes any number from 0 to 64 for what it is", () => {
  for (let number = 0; number <= 64; number++) assertEquals(signalNumber("signal", number), number);
});

Deno.test("signalName() has no name for real-time signals, nor for what is no signal", () => {
  for (const number of [0, 32, 33, 34, 40, 64, 65, -1]) assertEquals(signalName(number), null);
});

Deno.test("signalNumber() refuses names that are no signal's on Linux", () => {
  const names = ["SIGBREAK", "SIGEMT", "SIGINFO", "TERM", "sigterm", "SIGRTMIN", "15", "", "SIG"];
  for (const name of names as Deno.Signal[]) {
    const error = assertThrows(() => signalNumber("options.signal", name), RangeError);
    assertEquals(
      error.message,
      `options.signal must be the name of a signal on Linux: "${name}"`,
    );
  }
});

Deno.test("signalNumber() refuses numbers that are no signal's", () => {
  for (const number of [-1, 65, 1.5, NaN, Infinity, 2 ** 32 + 9]) {
    const error = assertThrows(() => signalNumber("signal", number), RangeError);
    assertEquals(error.message, `signal must be an integer in 0…64: ${number}`);
  }
});

Deno.test("signalNumber() refuses what is neither a name nor a number", () => {
  for (
    const [value, shown] of <[unknown, string][]> [
      [9n, "9n"],
      [true, "true"],
      [null, "null"],
      [undefined, "undefined"],
      [{}, "[object Object]"],
      [Symbol("SIGTERM"), "Symbol(SIGTERM)"],
    ]
  ) {
    const error = assertThrows(() => signalNumber("signal", value as Signal), TypeError);
    assertEquals(error.message, `signal must be a signal's name or number: ${shown}`);
  }
});

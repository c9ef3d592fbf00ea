/**
 * Which values are refused, and that the message names the argument and the value.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  checkAbortSignal,
  checkBoolean,
  checkCText,
  checkDuration,
  checkFd,
  checkId,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPid,
  pathText,
} from "../../pidfd/arguments.ts";

/** What refuses a value, and what it says. */
type Refusal = readonly [value: unknown, error: typeof TypeError | typeof RangeError, says: string];

function assertRefuses(check: (value: unknown) => void, refusals: readonly Refusal[]): void {
  for (const [value, errorClass, message] of refusals) {
    const error = assertThrows(() => check(value), errorClass);
    assertEquals(error.message, message);
  }
}

function assertAccepts(check: (value: unknown) => void, values: readonly unknown[]): void {
  for (const value of values) assertEquals(check(value), undefined);
}

/** What is no number, with the form that it has in a message. */
const NO_NUMBERS: readonly [unknown, string][] = [
  ["7", '"7"'],
  ["", '""'],
  [7n, "7n"],
  [true, "true"],
  [null, "null"],
  [undefined, "undefined"],
  [Symbol("s"), "Symbol(s)"],
  [[7], "7"],
  [{}, "[object Object]"],
];

Deno.test("checkInteger() accepts the integers of its range and refuses all else", () => {
  const check = (value: unknown) => checkInteger("count", value, -1, 3);
  assertAccepts(check, [-1, 0, 1, 2, 3, -0]);
  assertRefuses(check, [
    ...[-2, 4, 0.5, NaN, Infinity, -Infinity].map((value): Refusal => [
      value,
      RangeError,
      `count must be an integer in -1…3: ${value}`,
    ]),
    ...NO_NUMBERS.map(([value, shown]): Refusal => [
      value,
      TypeError,
      `count must be a number: ${shown}`,
    ]),
  ]);
});

Deno.test("checkPid() accepts 1 to 2^31−1", () => {
  const check = (value: unknown) => checkPid("pid", value);
  assertAccepts(check, [1, 2, 4194304, 2147483647]);
  assertRefuses(
    check,
    [0, -1, 2147483648, 1.5, NaN].map((value) => [
      value,
      RangeError,
      `pid must be an integer in 1…2147483647: ${value}`,
    ]),
  );
  assertRefuses(check, [["1", TypeError, 'pid must be a number: "1"']]);
});

Deno.test("checkFd() accepts 0 to 2^31−1", () => {
  const check = (value: unknown) => checkFd("fd", value);
  assertAccepts(check, [0, 1, 2147483647]);
  assertRefuses(
    check,
    [-1, 2147483648, 0.5].map((value) => [
      value,
      RangeError,
      `fd must be an integer in 0…2147483647: ${value}`,
    ]),
  );
  assertRefuses(check, [[3n, TypeError, "fd must be a number: 3n"]]);
});

Deno.test("checkId() accepts 1 to 2^64−1, as a bigint", () => {
  const check = (value: unknown) => checkId("options.id", value);
  assertAccepts(check, [1n, 2n ** 53n + 1n, 2n ** 64n - 1n]);
  assertRefuses(check, [
    [0n, RangeError, "options.id must be in 1…2^64−1: 0n"],
    [-1n, RangeError, "options.id must be in 1…2^64−1: -1n"],
    [2n ** 64n, RangeError, "options.id must be in 1…2^64−1: 18446744073709551616n"],
    [1, TypeError, "options.id must be a bigint: 1"],
    ["1", TypeError, 'options.id must be a bigint: "1"'],
    [null, TypeError, "options.id must be a bigint: null"],
  ]);
});

Deno.test("checkDuration() accepts what is not negative, also without end", () => {
  const check = (value: unknown) => checkDuration("options.grace", value);
  assertAccepts(check, [0, -0, 0.5, 1, 2 ** 53, Infinity]);
  assertRefuses(check, [
    [-1, RangeError, "options.grace must be 0 or more: -1"],
    [-0.001, RangeError, "options.grace must be 0 or more: -0.001"],
    [-Infinity, RangeError, "options.grace must be 0 or more: -Infinity"],
    [NaN, RangeError, "options.grace must be 0 or more: NaN"],
    ...NO_NUMBERS.map(([value, shown]): Refusal => [
      value,
      TypeError,
      `options.grace must be a number: ${shown}`,
    ]),
  ]);
});

Deno.test("checkBoolean() accepts true and false, and nothing that is merely truthy", () => {
  const check = (value: unknown) => checkBoolean("options.reap", value);
  assertAccepts(check, [true, false]);
  assertRefuses(check, [
    [1, TypeError, "options.reap must be a boolean: 1"],
    ["false", TypeError, 'options.reap must be a boolean: "false"'],
    [null, TypeError, "options.reap must be a boolean: null"],
    [undefined, TypeError, "options.reap must be a boolean: undefined"],
  ]);
});

Deno.test("checkAbortSignal() accepts an AbortSignal or none", () => {
  const check = (value: unknown) => checkAbortSignal("options.signal", value);
  assertAccepts(check, [undefined, new AbortController().signal, AbortSignal.abort()]);
  assertRefuses(check, [
    [null, TypeError, "options.signal must be an AbortSignal: null"],
    ["SIGTERM", TypeError, 'options.signal must be an AbortSignal: "SIGTERM"'],
    [
      new AbortController(),
      TypeError,
      "options.signal must be an AbortSignal: [object AbortController]",
    ],
  ]);
});

Deno.test("checkOneOf() accepts some words alone", () => {
  const check = (value: unknown) => checkOneOf("kind", value, ["net", "uts"]);
  assertAccepts(check, ["net", "uts"]);
  assertRefuses(check, [
    ["mnt", RangeError, 'kind must be one of net, uts: "mnt"'],
    ["NET", RangeError, 'kind must be one of net, uts: "NET"'],
    ["", RangeError, 'kind must be one of net, uts: ""'],
    ["toString", RangeError, 'kind must be one of net, uts: "toString"'],
    [1, TypeError, "kind must be a string: 1"],
    [undefined, TypeError, "kind must be a string: undefined"],
    [["net"], TypeError, "kind must be a string: net"],
  ]);
});

Deno.test("checkCText() accepts what can be written in UTF-8 with a NUL behind it", () => {
  const check = (value: unknown) => checkCText("name", value);
  assertAccepts(check, ["", "a", "ä €", "😀", "\u{10FFFF}", "\ufeff", "\x01"]);
  assertRefuses(check, [
    ["\0", TypeError, 'name must not have a NUL byte in it: "\\u0000"'],
    ["a\0b", TypeError, 'name must not have a NUL byte in it: "a\\u0000b"'],
    ["a\ud83d", TypeError, 'name must not have a lone surrogate in it: "a\\ud83d"'],
    ["\udc00b", TypeError, 'name must not have a lone surrogate in it: "\\udc00b"'],
    [null, TypeError, "name must be a string: null"],
    [new Uint8Array(1), TypeError, "name must be a string: 0"],
  ]);
});

Deno.test("checkOptions() refuses an option that nobody reads", () => {
  const check = (value: unknown) => checkOptions("options", value, ["read", "write"]);
  assertAccepts(check, [{}, { read: true }, { read: undefined, write: 1 }]);
  assertRefuses(check, [
    [{ read: true, wirte: true }, TypeError, "options has no option of that name: wirte"],
    [{ toString: 1 }, TypeError, "options has no option of that name: toString"],
    [null, TypeError, "options must be an object: null"],
    ["read", TypeError, 'options must be an object: "read"'],
  ]);
});

/** What `pathText` makes of a path, and Deno. */
const PATHS: readonly [path: string | URL, text: string][] = [
  ["", ""],
  ["a b%20c", "a b%20c"],
  [new URL("file:///a"), "/a"],
  [new URL("file:///a/../b//c/?x#y"), "/b//c/"],
  [new URL("file:///a%20b%2Fc%25%C3%A4"), "/a b/c%ä"],
  [new URL("file:///ä?"), "/ä"],
  [new URL("file:///100%"), "/100%"],
  [new URL("file:///%zz%4"), "/%zz%4"],
  [new URL("file://localhost/a"), "/a"],
];

for (const [path, text] of PATHS) {
  Deno.test(`pathText() reads ${JSON.stringify(path)} as Deno does`, () => {
    assertEquals(pathText("path", path), text);
    // No such file is there, and Deno's message ends with the path that it looked for.
    const { message } = assertThrows(() => Deno.openSync(at(path)));
    assertEquals(message.split(": open ")[1], `'${at(text)}'`);
  });
}

/** The same path in a folder that doesn't exist. */
function at<T extends string | URL>(path: T): T {
  if (typeof path === "string") return `/nowhere/${path}` as T;
  const url = new URL(path);
  url.pathname = `/nowhere/${path.pathname}`;
  return url as T;
}

Deno.test("pathText() refuses the URLs that Deno refuses, and what the kernel can't take", () => {
  const check = (value: unknown) => void pathText("options.cwd", value);
  const urls: [string, string][] = [
    ["https://example.org/", "options.cwd must be a file URL: https://example.org/"],
    ["file://host/a", "options.cwd must be a file URL without a host: file://host/a"],
    ["file:///a%FF", "options.cwd must be a file URL in UTF-8: file:///a%FF"],
    ["file:///a%00b", 'options.cwd must not have a NUL byte in it: "/a\\u0000b"'],
  ];
  for (const [href, message] of urls) {
    assertRefuses(check, [[new URL(href), TypeError, message]]);
    assertThrows(() => Deno.openSync(new URL(href)), Error);
  }
  assertRefuses(check, [
    ["a\0", TypeError, 'options.cwd must not have a NUL byte in it: "a\\u0000"'],
    ["\ud83d", TypeError, 'options.cwd must not have a lone surrogate in it: "\\ud83d"'],
    [7, TypeError, "options.cwd must be a string: 7"],
    [undefined, TypeError, "options.cwd must be a string: undefined"],
    [{ href: "file:///a" }, TypeError, "options.cwd must be a string: [object Object]"],
  ]);
});

Deno.test("a refusal can show any value, also one that can't be made a string", () => {
  const bare = Object.create(null);
  for (
    const check of [checkPid, checkId, checkDuration, checkBoolean, checkAbortSignal] as const
  ) {
    assertThrows(() => check("argument", bare), TypeError, "argument must be ");
  }
});

/**
 * Checks of arguments. Bad input is refused before any kernel call, with a message that names the
 * argument and the value: a TypeError for a wrong type, a RangeError for a value out of range.
 *
 * @module
 */

const INT_MAX = 2 ** 31 - 1;
const U64_MAX = 2n ** 64n - 1n;

/** A refused value, for the message. */
export function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  try {
    return String(value);
  } catch {
    // An object can lack toString, or its toString can throw.
    return Object.prototype.toString.call(value);
  }
}

/** A number. */
function checkNumber(name: string, value: unknown): asserts value is number {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number: ${show(value)}`);
}

/** An integer in a range. */
export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  checkNumber(name, value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer in ${min}…${max}: ${value}`);
  }
}

/** A process or thread ID. */
export function checkPid(name: string, value: unknown): void {
  checkInteger(name, value, 1, INT_MAX);
}

/** A file descriptor's number. */
export function checkFd(name: string, value: unknown): void {
  checkInteger(name, value, 0, INT_MAX);
}

/** A pidfs id, which is never 0. */
export function checkId(name: string, value: unknown): void {
  if (typeof value !== "bigint") throw new TypeError(`${name} must be a bigint: ${show(value)}`);
  if (value < 1n || value > U64_MAX) {
    throw new RangeError(`${name} must be in 1…2^64−1: ${show(value)}`);
  }
}

/** A duration in milliseconds; Infinity is allowed. */
export function checkDuration(name: string, value: unknown): void {
  checkNumber(name, value);
  if (!(value >= 0)) throw new RangeError(`${name} must be 0 or more: ${value}`);
}

/** True or false, and nothing that is merely truthy. */
export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw new TypeError(`${name} must be a boolean: ${show(value)}`);
}

/** An instance of a class, which `what` names. */
export function checkInstance(
  name: string,
  value: unknown,
  what: string,
  constructor: { [Symbol.hasInstance](value: unknown): boolean },
): void {
  if (value instanceof constructor) return;
  throw new TypeError(`${name} must be ${what}: ${show(value)}`);
}

/** An AbortSignal, or none. */
export function checkAbortSignal(name: string, value: unknown): void {
  if (value !== undefined) checkInstance(name, value, "an AbortSignal", AbortSignal);
}

/** A string. */
export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw new TypeError(`${name} must be a string: ${show(value)}`);
}

/** A string that C can hold, as UTF-8. */
export function checkCText(name: string, value: unknown): asserts value is string {
  checkString(name, value);
  if (!value.isWellFormed()) {
    // The encoder would replace it by U+FFFD, so that two names could mean one file.
    throw new TypeError(`${name} must not have a lone surrogate in it: ${show(value)}`);
  }
  if (value.includes("\0")) {
    throw new TypeError(`${name} must not have a NUL byte in it: ${show(value)}`);
  }
}

/** A path: a string that C can hold, or a file URL, which is decoded as Deno does. */
export function pathText(name: string, value: unknown): string {
  const path = value instanceof URL ? pathOfUrl(name, value) : value;
  checkCText(name, path);
  return path;
}

function pathOfUrl(name: string, url: URL): string {
  if (url.protocol !== "file:") throw new TypeError(`${name} must be a file URL: ${url}`);
  if (url.hostname !== "") throw new TypeError(`${name} must be a file URL without a host: ${url}`);
  try {
    // A "%" that starts no escape is kept as it is.
    return decodeURIComponent(url.pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
  } catch (cause) {
    throw new TypeError(`${name} must be a file URL in UTF-8: ${url}`, { cause });
  }
}

/** An object used as a dictionary, with any keys. */
export function checkRecord(name: string, value: unknown): asserts value is object {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${name} must be an object: ${show(value)}`);
  }
  // A Map or an array is an object, too, but its properties are not its entries.
  if (Symbol.iterator in value) {
    throw new TypeError(`${name} must be an object, and none to iterate over: ${show(value)}`);
  }
}

/** An options object. An unknown option is refused: it is mostly a typing error. */
export function checkOptions(name: string, value: unknown, known: readonly string[]): void {
  checkRecord(name, value);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new TypeError(`${name} has no option of that name: ${unknown}`);
}

/** One of a list of words. */
export function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  checkString(name, value);
  if (!words.includes(value)) {
    throw new RangeError(`${name} must be one of ${words.join(", ")}: ${show(value)}`);
  }
}

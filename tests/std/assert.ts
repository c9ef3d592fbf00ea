/**
 * Stands in for `@std/assert` where JSR can't be reached: the functions that the tests use,
 * as documented there, on `node:assert`.
 *
 * @module
 */

import nodeAssert from "node:assert/strict";

export { AssertionError } from "node:assert/strict";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

export function assert(value: unknown, message?: string): asserts value {
  nodeAssert.ok(value, message);
}

export function assertFalse(value: unknown, message?: string): void {
  nodeAssert.ok(!value, message);
}

export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepEqual(actual, expected, message);
}

export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepEqual(actual, expected, message);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  nodeAssert.equal(actual, expected, message);
}

export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  nodeAssert.ok(actual !== undefined && actual !== null, message);
}

export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.ok(actual > expected, message ?? `Expect ${actual} > ${expected}`);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.ok(actual >= expected, message ?? `Expect ${actual} >= ${expected}`);
}

export function assertLess<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.ok(actual < expected, message ?? `Expect ${actual} < ${expected}`);
}

export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.ok(actual <= expected, message ?? `Expect ${actual} <= ${expected}`);
}

export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.match(actual, expected, message);
}

export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  nodeAssert.ok(
    actual.includes(expected),
    message ?? `Expected actual: "${actual}" to contain: "${expected}".`,
  );
}

export function assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
  actual: unknown,
  expectedType: T,
  message?: string,
): asserts actual is InstanceType<T> {
  nodeAssert.ok(actual instanceof expectedType, message ?? `Not a ${expectedType.name}: ${actual}`);
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): E {
  let returned: unknown;
  try {
    returned = fn();
  } catch (error) {
    return checkError(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail(`Expected function to throw, but it returned ${returned}.`);
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): Promise<E> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    return nodeAssert.fail(`Function throws when expected to reject: ${error}`);
  }
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return checkError(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail(`Expected function to reject, but it resolved with ${value}.`);
}

export function fail(message?: string): never {
  nodeAssert.fail(message ?? "Failed assertion.");
}

function checkError<E extends Error>(
  error: unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): E {
  if (!(error instanceof Error)) nodeAssert.fail(`A non-Error object was thrown: ${error}`);
  if (errorClass && !(error instanceof errorClass)) {
    nodeAssert.fail(`Expected error to be ${errorClass.name}, but was ${error.stack}`);
  }
  if (messageIncludes !== undefined) assertStringIncludes(error.message, messageIncludes);
  return error as E;
}

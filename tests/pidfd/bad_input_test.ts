/**
 * What can't be meant is refused before anything is asked of the kernel, with a message that
 * names the argument and the value.
 *
 * @module
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { deadline } from "@std/async";
import { PidFd } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { startUnreaped } from "../support/children.ts";
import { PATIENCE } from "../support/processes.ts";

// deno-lint-ignore no-explicit-any
type Arguments = any[];

/** Arguments, the class of the error that they cause, and its message. */
type Refusal = [args: Arguments, errorClass: typeof TypeError | typeof RangeError, message: string];

const type = (args: Arguments, message: string): Refusal => [args, TypeError, message];
const range = (args: Arguments, message: string): Refusal => [args, RangeError, message];

/** What is refused where a number in a range is wanted: a PID, a descriptor, a value. */
function numbers(
  name: string,
  [min, max]: [number, number],
  args: (value: unknown) => Arguments,
): Refusal[] {
  const bounds = `${name} must be an integer in ${min}…${max}: `;
  return [
    ...[min - 1, max + 1, 1.5, NaN, Infinity, -Infinity].map((value) =>
      range(args(value), bounds + value)
    ),
    type(args("7"), `${name} must be a number: "7"`),
    type(args(7n), `${name} must be a number: 7n`),
    type(args(null), `${name} must be a number: null`),
    type(args({}), `${name} must be a number: [object Object]`),
  ];
}

const INT_MAX = 2 ** 31 - 1;
const pids: [number, number] = [1, INT_MAX];
const fds: [number, number] = [0, INT_MAX];
const ints: [number, number] = [-(2 ** 31), INT_MAX];

function ids(name: string, args: (value: unknown) => Arguments): Refusal[] {
  return [
    type(args(7), `${name} must be a bigint: 7`),
    type(args("7"), `${name} must be a bigint: "7"`),
    ...[0n, -1n, 2n ** 64n].map((id) => range(args(id), `${name} must be in 1…2^64−1: ${id}n`)),
  ];
}

function booleans(name: string, args: (value: unknown) => Arguments): Refusal[] {
  return [
    type(args(1), `${name} must be a boolean: 1`),
    type(args("true"), `${name} must be a boolean: "true"`),
    type(args(null), `${name} must be a boolean: null`),
  ];
}

function signals(name: string, args: (value: unknown) => Arguments): Refusal[] {
  const word = (value: string) =>
    range(args(value), `${name} must be the name of a signal on Linux: "${value}"`);
  const number = (value: number) =>
    range(args(value), `${name} must be an integer in 0…64: ${value}`);
  return [
    ...["SIGFOO", "TERM", "sigterm", "", "15", "SIGRTMIN", "toString"].map(word),
    ...[-1, 65, 1.5, NaN, Infinity].map(number),
    type(args(null), `${name} must be a signal's name or number: null`),
    type(args(9n), `${name} must be a signal's name or number: 9n`),
    type(args({}), `${name} must be a signal's name or number: [object Object]`),
  ];
}

function durations(name: string, args: (value: unknown) => Arguments): Refusal[] {
  return [
    ...[-1, -0.5, -Infinity, NaN].map((value) =>
      range(args(value), `${name} must be 0 or more: ${value}`)
    ),
    type(args("100"), `${name} must be a number: "100"`),
    type(args(100n), `${name} must be a number: 100n`),
  ];
}

function abortSignals(name: string, args: (value: unknown) => Arguments): Refusal[] {
  return [
    type(args("SIGTERM"), `${name} must be an AbortSignal: "SIGTERM"`),
    type(args(null), `${name} must be an AbortSignal: null`),
    type(args(new AbortController()), `${name} must be an AbortSignal: [object AbortController]`),
  ];
}

const KINDS = "cgroup, ipc, mnt, net, pid, pid_for_children, time, time_for_children, user, uts";

function kinds(name: string, args: (value: unknown) => Arguments): Refusal[] {
  return [
    ...["", "NET", "network", "toString", "__proto__"].map((value) =>
      range(args(value), `${name} must be one of ${KINDS}: "${value}"`)
    ),
    type(args(5), `${name} must be a string: 5`),
    type(args(null), `${name} must be a string: null`),
  ];
}

function others(name: string, what: string, values: unknown[]): Refusal[] {
  return values.map((value) => type([value], `${name} must be ${what}: ${String(value)}`));
}

/** Every static method that takes arguments, but `fromRef`, which has a text to parse. */
const STATIC_METHODS: Record<string, Refusal[]> = {
  fromPid: [
    ...numbers("pid", pids, (pid) => [pid]),
    ...ids("options.id", (id) => [Deno.pid, { id }]),
    ...booleans("options.thread", (thread) => [Deno.pid, { thread }]),
  ],
  fromChild: others("child", "a Deno.ChildProcess", [null, undefined, 42, {}, { pid: 1 }]),
  fromId: ids("id", (id) => [id]),
  fromFd: numbers("fd", fds, (fd) => [fd]),
  fromRef: others("ref", "a ProcessRef or its text", [null, 42, {}]),
};

/** Every method that takes arguments. */
const METHODS: Record<string, Refusal[]> = {
  setCloseOnExec: booleans("on", (on) => [on]),
  equals: others("other", "a PidFd", [null, undefined, 42, {}]),
  sendSignal: [
    ...signals("signal", (signal) => [signal]),
    range(
      [0, { target: "everybody" }],
      'options.target must be one of process, thread, group: "everybody"',
    ),
    type([0, { target: 5 }], "options.target must be a string: 5"),
    ...numbers("options.value", ints, (value) => [0, { value }]),
  ],
  kill: signals("signal", (signal) => [signal]),
  wait: [
    ...abortSignals("options.signal", (signal) => [{ signal }]),
    ...booleans("options.reap", (reap) => [{ reap }]),
  ],
  exited: abortSignals("options.signal", (signal) => [{ signal }]),
  waitSync: [
    ...durations("options.timeout", (timeout) => [{ timeout }]),
    ...booleans("options.reap", (reap) => [{ reap }]),
  ],
  tryWait: booleans("options.reap", (reap) => [{ reap }]),
  terminate: [
    ...signals("options.signal", (signal) => [{ signal }]),
    ...durations("options.grace", (grace) => [{ grace }]),
    ...abortSignals("options.abort", (abort) => [{ abort }]),
  ],
  getNamespace: kinds("kind", (kind) => [kind]),
  setNamespace: [
    ...kinds("kinds", (kind) => ["net", kind]),
    type([], "kinds must name at least one namespace"),
  ],
  getRemoteFd: numbers("targetFd", fds, (fd) => [fd]),
  accessProc: others("use", "a function", [undefined, 7, {}]),
};

/** The methods that reject where others throw. */
const ASYNC = ["wait", "exited", "terminate"];

/** Calls something, and returns what it throws or rejects with. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    return await deadline(Promise.resolve(call()).then((value) => `accepted: ${value}`), PATIENCE);
  } catch (error) {
    return error;
  }
}

async function assertRefuses(call: (args: Arguments) => unknown, refusals: Refusal[]) {
  using calls = watchCalls();
  for (const [args, errorClass, message] of refusals) {
    const error = await refusal(() => call(args));
    assertInstanceOf(error, errorClass, message);
    assertEquals(error.message, message);
  }
  assertEquals(calls.names, []);
}

for (const [name, refusals] of Object.entries(STATIC_METHODS)) {
  Deno.test(`PidFd.${name}() names the argument and the value that it refuses`, async () => {
    await assertRefuses((args) => Reflect.get(PidFd, name).apply(PidFd, args), refusals);
  });
}

for (const [name, refusals] of Object.entries(METHODS)) {
  Deno.test(`PidFd.prototype.${name}() names the argument and the value that it refuses`, async () => {
    using child = startUnreaped("exec sleep 60");
    const { pidfd } = child;
    await assertRefuses((args) => {
      const result = Reflect.get(pidfd, name).apply(pidfd, args);
      // A rejection, and nothing that is thrown at the caller in the same turn.
      assertEquals(result instanceof Promise, ASYNC.includes(name));
      return result;
    }, refusals);
    assertEquals(pidfd.isAlive(), true);
  });
}

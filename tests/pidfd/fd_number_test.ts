/**
 * What stands for a descriptor, and what is refused in its place.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { type OwnedFd, PidFd, spawn } from "../../mod.ts";
import { fdNumber } from "../../pidfd/fd_number.ts";
import { watchCalls } from "../support/calls.ts";
import { PATIENCE } from "../support/processes.ts";
import { someFd } from "../support/sockets.ts";

/** The two kinds of handles. */
const HANDLES: Record<string, () => PidFd | OwnedFd> = {
  PidFd: () => PidFd.fromSelf(),
  OwnedFd: () => someFd(),
};

Deno.test("fdNumber() is a bare number itself, whoever has it open", () => {
  for (const fd of [0, 2, 1000, 2 ** 31 - 1]) assertEquals(fdNumber("fd", fd), fd);
});

for (const [name, open] of Object.entries(HANDLES)) {
  Deno.test(`fdNumber() is the number of a ${name}, which stays open`, () => {
    using handle = open();
    assertEquals(fdNumber("fd", handle), handle.fd);
    assertEquals(handle.closed, false);
  });

  Deno.test(`fdNumber() refuses a closed ${name} by the argument's name`, () => {
    const handle = open();
    handle.close();
    const refuse = () => fdNumber("fds[3]", handle);
    assertEquals(assertThrows(refuse, Deno.errors.BadResource).message, "fds[3] is closed");
  });
}

Deno.test("fdNumber() refuses the handle of a child that was reaped before it was asked for", async () => {
  const child = spawn("true");
  await deadline(child.status, PATIENCE);
  using handle = child.pidfd;
  assertThrows(() => fdNumber("fd", handle), Deno.errors.BadResource, "fd is closed");
});

Deno.test("fdNumber() refuses what is no descriptor", () => {
  using calls = watchCalls();
  for (const fd of [-1, 1.5, NaN, 2 ** 31]) {
    const { message } = assertThrows(() => fdNumber("fds[3]", fd), RangeError);
    assertEquals(message, `fds[3] must be an integer in 0…2147483647: ${fd}`);
  }
  // deno-lint-ignore no-explicit-any
  const others: [any, string][] = [["7", '"7"'], [null, "null"], [{ fd: 7 }, "[object Object]"]];
  for (const [value, shown] of others) {
    const { message } = assertThrows(() => fdNumber("fds[3]", value), TypeError);
    assertEquals(message, `fds[3] must be a number: ${shown}`);
  }
  assertEquals(calls.names, []);
});

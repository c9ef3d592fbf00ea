/**
 * The two errors that users see of the kernel: what they say, and how they are told apart.
 *
 * @module
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { SyscallError, UnsupportedError } from "../../mod.ts";

Deno.test("SyscallError says which call failed, and why, by name and in words", () => {
  const error = new SyscallError("pidfd_open", 3, "there is no process 7");
  assertEquals(error.message, "pidfd_open: ESRCH: there is no process 7");
  const { name, code, errno, syscall } = error;
  assertEquals({ name, code, errno, syscall }, {
    name: "SyscallError",
    code: "ESRCH",
    errno: 3,
    syscall: "pidfd_open",
  });
});

Deno.test("SyscallError has a code for a number that no header lists", () => {
  const error = new SyscallError("waitid", 512, "Unknown error 512");
  assertEquals(error.code, "E512");
  assertEquals(error.message, "waitid: E512: Unknown error 512");
});

Deno.test("UnsupportedError says what is missing, and since when it is there", () => {
  const error = new UnsupportedError("PIDFD_GET_INFO", "Linux 6.13");
  assertEquals(error.message, "PIDFD_GET_INFO is not available here: it needs Linux 6.13");
  const { name, code, feature, since } = error;
  assertEquals({ name, code, feature, since }, {
    name: "UnsupportedError",
    code: "ENOTSUP",
    feature: "PIDFD_GET_INFO",
    since: "Linux 6.13",
  });
});

Deno.test("UnsupportedError says what to do instead, if there is something", () => {
  const error = new UnsupportedError("setns(pidfd)", "Linux 5.8", "enter one after another");
  assertEquals(
    error.message,
    "setns(pidfd) is not available here: it needs Linux 5.8; enter one after another",
  );
});

Deno.test("SyscallError and UnsupportedError are errors, and neither is the other", () => {
  const failed = new SyscallError("close", 9, "Bad file descriptor");
  const missing = new UnsupportedError("statx", "Linux 4.11");
  for (const error of [failed, missing]) {
    assert(error instanceof Error);
    assertEquals(String(error), `${error.name}: ${error.message}`);
    assert(error.stack?.includes("errors_test.ts"));
  }
  assertFalse((failed as Error) instanceof UnsupportedError);
  assertFalse((missing as Error) instanceof SyscallError);
});

/**
 * What becomes of the result of a kernel call, and of errno.
 *
 * @module
 */

import { assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import { attempt, check, failure } from "../../ffi/call.ts";
import { Errno } from "../../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../../mod.ts";
import { setErrno } from "../support/errno.ts";
import { runForValue } from "../support/processes.ts";

/** A call that gives one outcome after another: a result, or the name of the error. */
function calls(...outcomes: (number | keyof typeof Errno)[]): () => number {
  return () => {
    const outcome = outcomes.shift();
    if (outcome === undefined) throw new Error("called too often");
    if (typeof outcome === "number") return outcome;
    setErrno(Errno[outcome]);
    return -1;
  };
}

Deno.test("attempt() returns the result of a call that succeeds, whatever errno is", () => {
  setErrno(Errno.EINTR);
  assertEquals([attempt(calls(0)), attempt(calls(7))], [0, 7]);
});

Deno.test("attempt() returns −errno of a call that fails, and doesn't repeat it", () => {
  for (const name of ["EPERM", "EAGAIN", "ESRCH", "EHWPOISON"] as const) {
    assertEquals(attempt(calls(name)), -Errno[name]);
  }
});

Deno.test("attempt() repeats a call until no signal interrupts it any more", () => {
  assertEquals(attempt(calls("EINTR", "EINTR", "EINTR", 7)), 7);
  assertEquals(attempt(calls("EINTR", "EBADF")), -Errno.EBADF);
});

/** The beginning of a program whose child sends it signals while it is in poll(2). */
const INTERRUPTED = `
  let interruptions = 0;
  const open = Deno.dlopen;
  Deno.dlopen = (path, table) => {
    const { symbols } = open(path, table);
    if (!("poll" in table)) return { symbols, close() {} };
    const poll = (...args) => {
      const result = symbols.poll(...args);
      if (result === -1) interruptions++;
      return result;
    };
    return { symbols: { ...symbols, poll }, close() {} };
  };
  const { spawn } = await import("@pidfd/util");
  Deno.addSignalListener("SIGUSR1", () => {});

  function start(script) {
    return spawn("sh", { args: ["-c", script], stdin: "null" });
  }
`;

Deno.test("attempt() goes on with a wait that signals interrupt", async () => {
  const facts = await runForValue(`${INTERRUPTED}
    const child = start("for i in 1 2 3 4 5; do kill -USR1 $PPID; sleep 0.02; done; exit 7");
    const { code } = child.pidfd.waitSync();
    console.log(JSON.stringify({ code, interrupted: interruptions > 0 }));
    Deno.exit();
  `);
  assertEquals(facts, { code: 7, interrupted: true });
});

Deno.test("attempt() doesn't let signals prolong a wait's timeout", async () => {
  const facts = await runForValue(`${INTERRUPTED}
    // Any timeout that began anew with each signal would never be over.
    const child = start("while kill -USR1 $PPID; do sleep 0.02; done");
    const timeout = 150;
    const begin = performance.now();
    let name;
    try {
      child.pidfd.waitSync({ timeout });
    } catch (error) {
      name = error.name;
    }
    const early = performance.now() - begin < timeout;
    child.kill("SIGKILL");
    await child.status;
    console.log(JSON.stringify({ name, early, interrupted: interruptions > 0 }));
    Deno.exit();
  `);
  assertEquals(facts, { name: "TimedOut", early: false, interrupted: true });
});

Deno.test("check() returns what is no error", () => {
  assertEquals([check("read", 0), check("read", 7)], [0, 7]);
});

Deno.test("check() throws what went wrong, in libc's words", () => {
  const error = assertThrows(() => check("pidfd_open", -Errno.ESRCH), SyscallError);
  assertEquals(error.message, "pidfd_open: ESRCH: No such process");
  const { code, errno, syscall } = error;
  assertEquals({ code, errno, syscall }, { code: "ESRCH", errno: 3, syscall: "pidfd_open" });
});

Deno.test("check() adds what the error means here, if that was said", () => {
  const hints = { [Errno.EBADF]: "it was closed", [Errno.ESRCH]: "it was reaped" };
  assertThrows(
    () => check("close", -Errno.EBADF, hints),
    SyscallError,
    "close: EBADF: Bad file descriptor (it was closed)",
  );
  const error = assertThrows(() => check("close", -Errno.EIO, hints), SyscallError);
  assertEquals(error.message, "close: EIO: Input/output error");
});

Deno.test("failure() has words for an error that no header lists", () => {
  assertEquals(failure("waitid", 4095).message, "waitid: E4095: Unknown error 4095");
});

Deno.test("failure() of a call that isn't there is an UnsupportedError", () => {
  const since: Record<string, string> = {
    pidfd_send_signal: "Linux 5.1",
    pidfd_open: "Linux 5.3",
    pidfd_getfd: "Linux 5.6",
    statx: "Linux 4.11",
    // All kernels have it, but not all sandboxes.
    waitid: "a kernel or a sandbox that allows it",
  };
  for (const [syscall, version] of Object.entries(since)) {
    const error = failure(syscall, Errno.ENOSYS, { [Errno.ENOSYS]: "never said" });
    assertInstanceOf(error, UnsupportedError);
    assertEquals([error.feature, error.since], [syscall, version]);
    assertFalse(error.message.includes("never said"));
  }
});

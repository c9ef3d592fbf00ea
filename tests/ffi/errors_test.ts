/**
 * The two errors that users see of the kernel: what they say, and how they are told apart.
 *
 * @module
 */

import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { Errno, errnoName } from "../../ffi/errno.ts";
import { PidFd, SyscallError, UnsupportedError } from "../../mod.ts";
import { runForValue } from "../support/processes.ts";
import { canFilter, needing } from "../support/skip.ts";

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

/** The names of Deno's classes that an error is an instance of. */
function denoClasses(error: unknown): string[] {
  return Object.entries(Deno.errors)
    .filter(([, errorClass]) => error instanceof errorClass)
    .map(([name]) => name);
}

Deno.test({
  ...needing("seccomp", canFilter(), "SyscallError is of the class that Deno has for each errno"),
  async fn() {
    const errnos = Object.values(Errno);
    // A filter has a call of Deno's fail in every way that there is.
    const program = `
      import { failMkdirByMode } from "${new URL("../support/seccomp.ts", import.meta.url)}";
      failMkdirByMode();
      const thrown = ${JSON.stringify(errnos)}.map((mode) => {
        try {
          Deno.mkdirSync("/nowhere", { mode });
        } catch (error) {
          return [error.code, error.constructor.name];
        }
      });
      console.log(JSON.stringify(thrown));
    `;
    const thrown = await runForValue(program, ["--allow-all"]) as [string | null, string][];
    for (const [i, [code, className]] of thrown.entries()) {
      const error = new SyscallError("mkdir", errnos[i], "as Deno has it");
      // Deno knows some of the codes, and has Linux's other name for one.
      if (code !== null) assertEquals(error.code, code === "ENOTSUP" ? "EOPNOTSUPP" : code);
      const found = denoClasses(error);
      // Of Deno's calls only kill(2) fails so, which the next test is about.
      if (error.code !== "ESRCH") assertEquals(found, className in Deno.errors ? [className] : []);
      assert(error instanceof SyscallError && error instanceof Error, error.code);
      assertEquals([error.name, error.constructor], ["SyscallError", SyscallError]);
    }
    // The filter worked: some errors have no class, and these have.
    const classes = new Map(thrown.map(([, className], i) => [errnos[i], className]));
    assertEquals(
      ["EPERM", "EACCES", "EBADF", "EINVAL", "ELOOP"].map((name) =>
        classes.get(Errno[name as keyof typeof Errno])
      ),
      ["PermissionDenied", "PermissionDenied", "Error", "TypeError", "FilesystemLoop"],
    );
  },
});

Deno.test("SyscallError of ESRCH is of the class that Deno.kill throws", () => {
  const pid = 2 ** 22 + 1; // More than any kernel gives
  const denos = assertThrows(() => Deno.kill(pid, "SIGTERM"));
  const ours = assertThrows(() => PidFd.fromPid(pid), SyscallError);
  assertEquals(ours.code, "ESRCH");
  assertEquals(denoClasses(denos), ["NotFound"]);
  assertEquals(denoClasses(ours), ["NotFound"]);
});

Deno.test("SyscallError is of no class of Deno's for an errno that no header lists", () => {
  for (const errno of [0, 41, 512]) {
    assertEquals(denoClasses(new SyscallError("waitid", errno, "?")), [], errnoName(errno));
  }
});

Deno.test("instanceof SyscallError is true of nothing else, and respects what extends it", () => {
  class Extended extends SyscallError {}
  const extended: unknown = new Extended("openat", 2, "No such file or directory");
  assert(extended instanceof Extended && extended instanceof SyscallError);
  assertFalse(new SyscallError("openat", 2, "") instanceof Extended);
  const others = [null, undefined, 2, "ENOENT", {}, new Error(), new Deno.errors.NotFound()];
  for (const value of others as unknown[]) {
    assertFalse(value instanceof SyscallError);
  }
});

Deno.test("SyscallError is printed with its names and its code", () => {
  const text = Deno.inspect(new SyscallError("openat", 2, "No such file or directory"));
  const [first] = text.split("\n");
  assertEquals(first, "NotFound [SyscallError]: openat: ENOENT: No such file or directory");
  assert(text.includes('code: "ENOENT"') && text.includes('syscall: "openat"'), text);
});

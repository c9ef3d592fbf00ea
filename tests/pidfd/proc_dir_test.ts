/**
 * `/proc/PID` of one process and of no other: while the callback runs, when the process ends
 * meanwhile, and afterwards. What a newcomer with the same PID could do is in
 * reused_pid_test.ts.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close, duplicate } from "../../ffi/files.ts";
import { PidFd, type ProcDir, SyscallError } from "../../mod.ts";
import { pidOf } from "../../pidfd/proc_dir.ts";
import {
  blockUntilEnded,
  startTalking,
  startUnreaped,
  type UnreapedChild,
} from "../support/children.ts";
import { openFile } from "../support/fds.ts";
import { whenOpening } from "../support/openat.ts";
import { idle, openFds, PATIENCE } from "../support/processes.ts";

function reap({ pidfd }: UnreapedChild): void {
  pidfd.kill();
  pidfd.waitSync({ reap: true });
}

/** Checks that something is refused because the process was reaped, and that it left no fd. */
function assertReaped(act: () => unknown): void {
  const before = openFds();
  const { code } = assertThrows(act, SyscallError, "the process was reaped");
  assertEquals(code, "ESRCH");
  assertEquals(openFds(), before);
}

async function assertReapedLater(act: () => Promise<unknown>): Promise<void> {
  const before = openFds();
  const refusal = assertRejects(act, SyscallError, "the process was reaped");
  const { code } = await deadline(refusal, PATIENCE);
  assertEquals(code, "ESRCH");
  assertEquals(openFds(), before);
}

Deno.test("PidFd.accessProc() reads the process's own files, and leaves no fd", () => {
  using child = startUnreaped("exec sleep 60");
  const { pid } = child;
  const before = openFds();
  const [status, stat] = child.pidfd.accessProc((proc) => {
    assertEquals([proc.pid, proc.path], [pid, `/proc/${pid}`]);
    return [proc.readTextFile("status"), proc.readTextFile(`task/${pid}/stat`)];
  });
  assertEquals(/^Pid:\s+(\d+)$/m.exec(status)?.[1], String(pid));
  assertEquals(stat.split(" ")[0], String(pid));
  assertEquals(openFds(), before);
});

Deno.test("ProcDir.readFile() gives bytes, and readTextFile() marks what is not UTF-8", async () => {
  const rename = "printf '\\377A' > /proc/$$/comm; echo; read _";
  await using other = startTalking("sh", ["-c", rename]);
  await other.line();
  using pidfd = PidFd.fromChild(other.child);
  pidfd.accessProc((proc) => {
    assertEquals([...proc.readFile("comm")], [0xff, 0x41, 0x0a]);
    assertEquals(proc.readTextFile("comm"), "\ufffdA\n");
  });
});

Deno.test("ProcDir.readTextFile() reads a file of any length, to its end", async () => {
  // Much more than one read's worth, of which stat(2) says that it is nothing.
  const args = ["-c", "echo; read _", "sh", "0123456789".repeat(10_000)];
  await using other = startTalking("sh", args);
  await other.line();
  using pidfd = PidFd.fromChild(other.child);
  const cmdline = pidfd.accessProc((proc) => proc.readTextFile("cmdline"));
  // Not compared by assertEquals, which would print both.
  assert(cmdline.endsWith(args.map((arg) => `\0${arg}`).join("") + "\0"));
});

Deno.test("ProcDir.readLink() tells where a link points", () => {
  using child = startUnreaped("exec sleep 60", "/proc/self/task");
  child.pidfd.accessProc((proc) => {
    assertEquals(proc.readLink("fd/0"), "/dev/null");
    assertEquals(proc.readLink("cwd"), Deno.readLinkSync(`/proc/${proc.pid}/cwd`));
    const { code } = assertThrows(() => proc.readLink("status"), SyscallError, "not a link");
    assertEquals(code, "EINVAL");
  });
});

Deno.test("ProcDir.list() gives the names in the directory and below", () => {
  using self = PidFd.fromSelf();
  self.accessProc((proc) => {
    const names = proc.list();
    assertEquals(names.filter((name) => ["status", "fd", ".", ".."].includes(name)).sort(), [
      "fd",
      "status",
    ]);
    assertEquals(proc.list("."), names);
    assertEquals(
      proc.list("ns").sort(),
      [...Deno.readDirSync("/proc/self/ns")].map(
        ({ name }) => name,
      ).sort(),
    );
  });
});

Deno.test("ProcDir.list() gives all names of a directory, however many", () => {
  using self = PidFd.fromSelf();
  const fds: number[] = [];
  try {
    // Their names don't fit into one answer of the kernel's.
    const first = openFile("/dev/null");
    fds.push(first);
    while (fds.length < 3_000) fds.push(duplicate(first));
    const names = self.accessProc((proc) => proc.list("fd"));
    assertEquals(new Set(names).size, names.length);
    assertEquals(fds.filter((fd) => !names.includes(String(fd))), []);
  } finally {
    fds.forEach(close);
  }
});

for (
  const [what, use] of Object.entries<(proc: ProcDir, name: string) => unknown>({
    readFile: (proc, name) => proc.readFile(name),
    readTextFile: (proc, name) => proc.readTextFile(name),
    readLink: (proc, name) => proc.readLink(name),
    list: (proc, name) => proc.list(name),
  })
) {
  Deno.test(`ProcDir.${what}() refuses names that lead out of the directory`, () => {
    using self = PidFd.fromSelf();
    self.accessProc((proc) => {
      for (const name of ["", "/", "/proc/1/status", "..", "../1/status", "fd/../../1", "fd/.."]) {
        const message = `name must be a path below /proc/PID: ${JSON.stringify(name)}`;
        assertThrows(() => use(proc, name), RangeError, message);
      }
      const number = 1 as unknown as string;
      assertThrows(() => use(proc, number), TypeError, "name must be a string: 1");
      assertThrows(
        () => use(proc, "a\0b"),
        TypeError,
        'must not have a NUL byte in it: "a\\u0000b"',
      );
    });
  });

  Deno.test(`ProcDir.${what}() says which name there is not`, () => {
    using self = PidFd.fromSelf();
    const before = openFds();
    self.accessProc((proc) => {
      assertEquals(assertThrows(() => use(proc, "none"), SyscallError).code, "ENOENT");
    });
    assertEquals(openFds(), before);
  });

  Deno.test(`ProcDir.${what}() throws BadResource once the callback has returned`, async () => {
    using self = PidFd.fromSelf();
    const name = what === "list" ? "task" : what === "readLink" ? "cwd" : "status";
    const kept = self.accessProc((proc) => proc);
    const message = "this ProcDir is closed";
    assertThrows(() => use(kept, name), Deno.errors.BadResource, message);
    const keptLonger = await self.accessProc(async (proc) => {
      use(proc, name);
      await Promise.resolve();
      use(proc, name);
      return proc;
    });
    assertThrows(() => use(keptLonger, name), Deno.errors.BadResource, message);
  });

  Deno.test(`ProcDir.${what}() throws ESRCH once the process was reaped`, () => {
    using child = startUnreaped("exec sleep 60");
    const name = what === "list" ? "task" : what === "readLink" ? "cwd" : "status";
    assertReaped(() =>
      child.pidfd.accessProc((proc) => {
        use(proc, name);
        reap(child);
        use(proc, name);
      })
    );
  });
}

Deno.test("PidFd.accessProc() throws ESRCH if the process was reaped before", () => {
  using child = startUnreaped("exec sleep 60");
  reap(child);
  let called = false;
  assertReaped(() => child.pidfd.accessProc(() => called = true));
  assertEquals(called, false);
});

Deno.test("PidFd.accessProc() throws ESRCH if the process is reaped around the opening", () => {
  for (const moment of ["before", "after"]) {
    using child = startUnreaped("exec sleep 60");
    let called = false;
    using reaping = whenOpening(`/proc/${child.pid}`, { [moment]: () => reap(child) });
    assertReaped(() => child.pidfd.accessProc(() => called = true));
    assertEquals([reaping.done, called], [true, false], moment);
  }
});

Deno.test("PidFd.accessProc() keeps back what was read if the process is reaped meanwhile", () => {
  using child = startUnreaped("exec sleep 60");
  assertReaped(() =>
    child.pidfd.accessProc((proc) => {
      const status = proc.readTextFile("status");
      reap(child);
      return status;
    })
  );
});

Deno.test("PidFd.accessProc() keeps back a promise's value if the process is reaped meanwhile", async () => {
  using child = startUnreaped("exec sleep 60");
  await assertReapedLater(() =>
    child.pidfd.accessProc(async (proc) => {
      const status = proc.readTextFile("status");
      await Promise.resolve();
      reap(child);
      return status;
    })
  );
});

Deno.test("PidFd.accessProc() rejects with ESRCH if a file is read after the reaping", async () => {
  using child = startUnreaped("exec sleep 60");
  await assertReapedLater(() =>
    child.pidfd.accessProc(async (proc) => {
      await Promise.resolve();
      reap(child);
      return proc.readTextFile("status");
    })
  );
});

Deno.test("PidFd.accessProc() reads what is left of a zombie", () => {
  using child = startUnreaped("exit 0");
  blockUntilEnded(child.pid);
  const status = child.pidfd.accessProc((proc) => proc.readTextFile("status"));
  assertEquals(/^State:\s+(\w)/m.exec(status)?.[1], "Z");
});

Deno.test("PidFd.accessProc() keeps the directory open until a promise is settled", async () => {
  using self = PidFd.fromSelf();
  const before = openFds();
  const { promise, resolve } = Promise.withResolvers<void>();
  const result = self.accessProc(async (proc) => {
    await promise;
    return proc.readTextFile("comm");
  });
  assertEquals(openFds().length, before.length + 1);
  resolve();
  assertEquals(await deadline(result, PATIENCE), Deno.readTextFileSync("/proc/self/comm"));
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("PidFd.accessProc() takes a thenable for a promise", async () => {
  using self = PidFd.fromSelf();
  const before = openFds();
  const result = self.accessProc((proc) => ({
    then(resolve: (text: string) => void) {
      resolve(proc.readTextFile("comm"));
    },
  }));
  assertEquals<unknown>(await result, Deno.readTextFileSync("/proc/self/comm"));
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("PidFd.accessProc() gives on what the callback throws or rejects with", async () => {
  using self = PidFd.fromSelf();
  const before = openFds();
  const error = new Error("the callback's own");
  const thrown = assertThrows(() =>
    self.accessProc(() => {
      throw error;
    })
  );
  const rejected = await assertRejects(() => self.accessProc(() => Promise.reject(error)));
  assertStrictEquals(thrown, error);
  assertStrictEquals(rejected, error);
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("PidFd.accessProc() throws BadResource if the handle is closed meanwhile", async () => {
  const before = openFds();
  for (const close of [(pidfd: PidFd) => pidfd.close(), (pidfd: PidFd) => retake(pidfd.intoFd())]) {
    const sync = PidFd.fromSelf();
    assertThrows(() => sync.accessProc(() => close(sync)), Deno.errors.BadResource);
    const async = PidFd.fromSelf();
    const result = async.accessProc(async (proc) => {
      await Promise.resolve();
      close(async);
      return proc.readTextFile("comm");
    });
    await deadline(assertRejects(() => result, Deno.errors.BadResource), PATIENCE);
  }
  await idle();
  assertEquals(openFds(), before);
});

/** Closes an fd that a handle gave away. */
function retake(fd: number): void {
  PidFd.fromFd(fd).close();
}

Deno.test("pidOf() refuses what is no pidfd", () => {
  const fd = openFile("/dev/null");
  try {
    assertThrows(() => pidOf(fd), TypeError, `fd ${fd} is not a pidfd`);
  } finally {
    close(fd);
  }
});

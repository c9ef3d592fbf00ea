/**
 * Entering the namespaces of another process, where that fails: the error names what is in the way,
 * and this thread stays where it was.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { namespaceIoctls } from "../../ffi/capabilities.ts";
import { launch } from "../../ffi/launch.ts";
import { chdir } from "../../ffi/steps.ts";
import { type NamespaceKind, PidFd, spawn, SyscallError } from "../../mod.ts";
import { namespacesOf as namespacesOfOptions, Passage } from "../../process/namespaces.ts";
import { leavesNothing } from "../support/commands.ts";
import { startUnreaped } from "../support/children.ts";
import {
  COMBINATIONS,
  OWN_KINDS,
  standing,
  startApart,
  startTarget,
  testNamespaces as test,
  WAYS,
  withRights,
} from "../support/namespaces.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { idle, isRoot, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

test("spawn() with nsenter leaves this thread as it was, whichever step fails", async () => {
  using target = startApart();
  await idle();
  const before = standing();
  const ways = [[], ["pid", "mnt"], ["time"]] as NamespaceKind[][];
  await leavesNothing(() => {
    for (const unshare of ways.filter((kinds) => kinds.every((kind) => OWN_KINDS.includes(kind)))) {
      const nsenter = OWN_KINDS.filter((kind) => !unshare.includes(kind));
      const options = { unshare, nsenter: { target: target.pidfd, kinds: nsenter } };
      using passage = new Passage(namespacesOfOptions(options)!);
      const steps = passage.steps();
      for (let i = 0; i <= steps.length; i++) {
        const plan = { changesUser: false, ownMemory: passage.ownMemory };
        const some = [...steps.slice(0, i), chdir("/nope")];
        assertThrows(() => launch({ ...plan, steps: some }), SyscallError, "/nope");
      }
    }
  });
  assertEquals(standing(), before);
});

test("spawn() with nsenter names what failed, in the place that it has come to", async () => {
  using target = startApart();
  await idle();
  const before = standing();
  await leavesNothing(() => {
    for (const kinds of COMBINATIONS) {
      const nsenter = { target: target.pidfd, kinds };
      assertThrows(() => spawn("sh", { nsenter, cwd: "/nope" }), Deno.errors.NotFound, "chdir");
      assertThrows(() => spawn("/nope", { nsenter }), Deno.errors.NotFound, "execve: ENOENT");
    }
  });
  assertEquals(standing(), before);
});

// Root lacks nothing.
if (!isRoot) {
  test("spawn() with nsenter says what an ordinary user lacks", async () => {
    using target = startApart();
    await leavesNothing(() => {
      for (const kind of OWN_KINDS) {
        if (kind === "user") continue;
        const nsenter = { target: target.pidfd, kinds: [kind] };
        const { message } = assertThrows(() => spawn("true", { nsenter }), SyscallError, "EPERM");
        assertStringIncludes(message, `(nsenter ${kind})`);
        assertStringIncludes(message, "CAP_SYS_ADMIN");
      }
    });
  });
}

Deno.test("spawn() with nsenter throws ESRCH for a process that has ended", async () => {
  using child = startUnreaped("exit 0");
  await child.pidfd.exited();
  for (const reaped of [false, true]) {
    if (reaped) child.pidfd.waitSync({ reap: true });
    for (const take of Object.values(WAYS)) {
      using _ = take();
      await leavesNothing(() => {
        const nsenter = { target: child.pidfd, kinds: ["net", "uts"] as NamespaceKind[] };
        const { code } = assertThrows(() => spawn("true", { nsenter }), SyscallError);
        assertEquals(code, "ESRCH");
      });
    }
  }
});

const NR_PIDFD_OPEN = 434;

const INSIDE = inNamespaces("--pid", "--fork");

Deno.test(
  needing("unshare", works(INSIDE), "spawn() with nsenter says that there is no way up"),
  async () => {
    using outside = startUnreaped("exec sleep 60");
    outside.pidfd.setCloseOnExec(false);
    const found = await runForValue(
      `
      import { PidFd, spawn } from "@pidfd/util";
      const target = PidFd.fromFd(${outside.pidfd.fd});
      const found = [];
      for (const kinds of [["pid"], ["user"], ["net"]]) {
        try {
          const child = spawn("true", { nsenter: { target, kinds } });
          found.push((await child.status).code);
        } catch ({ code, message }) {
          found.push([code, /above|the right to look into|not visible in this PID/.test(message)]);
        }
      }
      console.log(JSON.stringify(found));
    `,
      ["--allow-ffi"],
      INSIDE,
    ) as [string, boolean][];
    // Without the ioctls nothing is to be had of a process outside.
    if (!namespaceIoctls.available) assertEquals(found, Array(3).fill(["EINVAL", true]));
    else if (isRoot) assertEquals(found, [["EINVAL", true], 0, 0] as unknown);
    else assertEquals(found, Array(3).fill(["EACCES", true]));
  },
);

test(
  "spawn() with nsenter pid refuses a thread that has moved to another PID namespace",
  async () => {
    await using target = startTarget(["pid"]);
    await using other = startTarget(["pid"]);
    using self = PidFd.fromSelf();
    other.pidfd.setNamespace("pid");
    try {
      const nsenter = { target: target.pidfd, kinds: ["pid"] as NamespaceKind[] };
      const error = assertThrows(() => spawn("true", { nsenter }), SyscallError);
      assertStringIncludes(error.message, "this thread has moved to another PID namespace");
    } finally {
      self.setNamespace("pid");
    }
  },
  ["root", isRoot],
);

test("spawn() with nsenter pid has no child that can't be held", async () => {
  const { libc } = await import("../../ffi/libc.ts");
  using target = startApart(withRights("pid"));
  const nsenter = { target: target.pidfd, kinds: withRights("pid") };
  const { syscall_pidfd_open } = libc();
  await leavesNothing(() => {
    using _ = shadow(libc(), "syscall_pidfd_open", () => () => {
      // It fails as any number but that of a process does.
      return syscall_pidfd_open(NR_PIDFD_OPEN, 0, 0);
    });
    assertThrows(() => spawn("sleep", ["60"], { nsenter }), SyscallError, "pidfd_open");
  });
}, ["Linux 6.11", namespaceIoctls.available]);

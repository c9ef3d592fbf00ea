/**
 * Processes by the PID that they have in another PID namespace, and what namespaces tell of
 * themselves.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { namespaceIds, pidfsIds, pidTranslation, threadPidfds } from "../../ffi/capabilities.ts";
import { OwnedFd, PidFd, spawn, SyscallError, UnsupportedError } from "../../mod.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { canUnshare, startApart, withRights } from "../support/namespaces.ts";
import { eventually, isRoot, openFds } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

/** The two ways to find a process. */
const WAYS: Record<string, () => Disposable> = {
  ...pidTranslation.available ? { "by ioctl": () => ({ [Symbol.dispose]() {} }) } : {},
  "under /proc": () => without(pidTranslation),
};

function test(name: string, fn: () => Promise<void> | void, isThere = true): void {
  Deno.test({ ...needing("user namespaces, or root", canUnshare && isThere, name), fn });
}

/** The PIDs, here, of a process's children. */
function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ")
    .filter((word) => word !== "").map(Number);
}

for (const [way, take] of Object.entries(WAYS)) {
  test(`PidFd.fromPid() with a namespace finds each process in there ${way}`, async () => {
    const script = "sleep 60 & sleep 60 & wait";
    await using init = spawn("sh", ["-c", script], {
      ...{ unshare: withRights("pid"), stdin: "null", end: { signal: "SIGKILL" } },
    });
    await eventually("both are there", () => childrenOf(init.pid).length === 2);
    using namespace = init.pidfd.getNamespace("pid");
    const before = openFds();
    using _ = take();
    for (const pid of [init.pid, ...childrenOf(init.pid)]) {
      using known = PidFd.fromPid(pid);
      const inside = known.getPids().at(-1)!;
      using found = PidFd.fromPid(inside, { namespace });
      assertEquals([found.getPid(), found.equals(known)], [pid, true]);
      assertEquals(isCloseOnExec(found.fd), true);
      if (!pidfsIds.available) continue;
      using same = PidFd.fromPid(inside, { namespace, id: known.getId() });
      assertEquals(same.equals(known), true);
      const other = () => PidFd.fromPid(inside, { namespace, id: known.getId() + 1n });
      assertEquals(assertThrows(other, SyscallError).code, "ESRCH");
    }
    const nobody = () => PidFd.fromPid(4_000_000, { namespace });
    const { message, code } = assertThrows(nobody, SyscallError);
    assertEquals(code, "ESRCH");
    assertStringIncludes(message, "has the PID 4000000 in there");
    assertEquals(openFds(), before);
  });

  test(`PidFd.fromPid() with a namespace knows one between a process and here ${way}`, async () => {
    const unshare = withRights("pid");
    const nested = ["unshare", ...isRoot ? [] : ["--user"], "--pid", "--fork", "sleep", "60"];
    await using outer = spawn("env", nested, { unshare, end: { signal: "SIGKILL" } });
    await eventually("it has forked", () => childrenOf(outer.pid).length === 1);
    using inner = PidFd.fromPid(childrenOf(outer.pid)[0]);
    await eventually("it is its own first", () => inner.getPids().length === 3);
    using self = PidFd.fromSelf();
    const namespaces = [self, outer.pidfd, inner].map((pidfd) => pidfd.getNamespace("pid"));
    using _ = take();
    inner.getPids().forEach((pid, i) => {
      using found = PidFd.fromPid(pid, { namespace: namespaces[i] });
      assertEquals(found.equals(inner), true);
    });
    for (const namespace of namespaces) namespace.close();
  });

  Deno.test(`PidFd.fromPid() takes this program's own PID namespace ${way}`, () => {
    using self = PidFd.fromSelf();
    using namespace = self.getNamespace("pid");
    using _ = take();
    using found = PidFd.fromPid(Deno.pid, { namespace });
    assertEquals(found.equals(self), true);
  });

  Deno.test(`PidFd.fromPid() refuses a namespace that is none ${way}`, () => {
    using self = PidFd.fromSelf();
    using net = self.getNamespace("net");
    using file = OwnedFd.open("/dev/null");
    using _ = take();
    for (const namespace of [net, file]) {
      const refused = () => PidFd.fromPid(1, { namespace });
      assertThrows(refused, TypeError, `must be a PID namespace: fd ${namespace.fd}`);
    }
    // @ts-expect-error: what TypeScript refuses, JavaScript can give.
    assertThrows(() => PidFd.fromPid(1, { namespace: 3 }), TypeError, "must be an OwnedFd: 3");
    const closed = self.getNamespace("pid");
    closed.close();
    assertThrows(() => PidFd.fromPid(1, { namespace: closed }), Deno.errors.BadResource);
  });
}

Deno.test({
  ...needing("Linux 6.11", pidTranslation.available, "PidFd.fromPid() finds a thread in there"),
  fn() {
    using self = PidFd.fromSelf();
    using namespace = self.getNamespace("pid");
    const tid = Number([...Deno.readDirSync("/proc/self/task")].map(({ name }) => name).at(-1));
    using thread = PidFd.fromPid(tid, { namespace, thread: true });
    assertEquals(thread.getPid(), tid);
    if (tid !== Deno.pid) {
      const { code } = assertThrows(() => PidFd.fromPid(tid, { namespace }), SyscallError);
      assertEquals(["EINVAL", "ENOENT"].includes(code), true);
    }
  },
});

Deno.test({
  ...needing(
    "Linux 6.9",
    threadPidfds.available,
    "PidFd.fromPid() says before Linux 6.11 that it finds no thread in there",
  ),
  fn() {
    using _ = without(pidTranslation);
    using self = PidFd.fromSelf();
    using namespace = self.getNamespace("pid");
    const refused = () => PidFd.fromPid(Deno.pid, { namespace, thread: true });
    assertEquals(assertThrows(refused, UnsupportedError).since, "Linux 6.11");
  },
});

test("OwnedFd.namespaceId() is a namespace's alone, and stays", () => {
  using one = startApart(withRights("net", "uts"));
  using other = startApart(withRights("net", "uts"));
  using self = PidFd.fromSelf();
  const idOf = (pidfd: PidFd, kind: "net" | "uts") => {
    using namespace = pidfd.getNamespace(kind);
    return namespace.namespaceId();
  };
  const ids = [self, one.pidfd, other.pidfd].flatMap((pidfd) => [
    idOf(pidfd, "net"),
    idOf(pidfd, "uts"),
  ]);
  assertEquals(new Set(ids).size, ids.length);
  assertEquals(idOf(one.pidfd, "net"), ids[2]);
}, namespaceIds.available);

Deno.test({
  ...needing("Linux 6.18", namespaceIds.available, "OwnedFd.namespaceId() refuses what is none"),
  fn() {
    using file = OwnedFd.open("/dev/null");
    const { code, message } = assertThrows(() => file.namespaceId(), SyscallError);
    assertEquals(code, "ENOTTY");
    assertStringIncludes(message, "is no namespace's");
  },
});

Deno.test("OwnedFd.namespaceId() says before Linux 6.18 what it needs", () => {
  using _ = without(namespaceIds);
  using self = PidFd.fromSelf();
  using net = self.getNamespace("net");
  const error = assertThrows(() => net.namespaceId(), UnsupportedError);
  assertEquals([error.feature, error.since], ["NS_GET_ID", "Linux 6.18"]);
  net.close();
  assertThrows(() => net.namespaceId(), Deno.errors.BadResource);
});

/**
 * Namespaces as the pidfd's own ioctls give them, as /proc stands in for these, and what a
 * process looks like that moved. Whatever moves is a program of its own, so that this one stays.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { namespaceIoctls } from "../../ffi/capabilities.ts";
import { type NamespaceKind, PidFd, SyscallError } from "../../mod.ts";
import { blockUntilEnded, startTalking, startUnreaped } from "../support/children.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { whenOpening } from "../support/openat.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { openFds } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const KINDS: NamespaceKind[] = [
  "cgroup",
  "ipc",
  "mnt",
  "net",
  "pid",
  "pid_for_children",
  "time",
  "time_for_children",
  "user",
  "uts",
];

/** The kinds that the running kernel has: those for time came last. */
const HERE: ReadonlySet<string> = new Set(
  [...Deno.readDirSync("/proc/self/ns")].map(({ name }) => name),
);

/** The inode number of a namespace, the way that everybody can find it. */
function inodeUnderProc(pid: number, kind: NamespaceKind): bigint {
  return BigInt(Deno.statSync(`/proc/${pid}/ns/${kind}`).ino!);
}

/** The two ways to a namespace's fd. */
const WAYS: Record<string, () => Disposable> = {
  "by ioctl": () => ({ [Symbol.dispose]() {} }),
  "under /proc": () => without(namespaceIoctls),
};

/** The kinds of which unshare(1) has its own while the command runs that it starts. */
const OWN: NamespaceKind[] = KINDS.filter((kind) => kind !== "pid" && kind !== "time");
const [UNSHARE, ...OPTIONS] = inNamespaces(
  "--map-root-user",
  ...["--cgroup", "--ipc", "--mount", "--net", "--pid", "--uts", "--fork"],
  ...(HERE.has("time_for_children") ? ["--time"] : []),
);
const canUnshare = works([UNSHARE, ...OPTIONS]);

for (const [way, take] of Object.entries(WAYS)) {
  for (const kind of KINDS) {
    Deno.test(
      needing(
        `a kernel with ${kind} namespaces`,
        HERE.has(kind),
        `PidFd.getNamespace("${kind}") ${way} is that of /proc/PID/ns`,
      ),
      () => {
        using _ = take();
        using self = PidFd.fromSelf();
        using namespace = self.getNamespace(kind);
        assertEquals(namespace.inode(), inodeUnderProc(Deno.pid, kind));
        assert(isCloseOnExec(namespace.fd));
      },
    );
  }

  Deno.test(
    needing("unshare", canUnshare, `PidFd.getNamespace() ${way} tells whose namespaces they are`),
    async () => {
      using _ = take();
      await using other = startTalking(UNSHARE, [...OPTIONS, "sh", "-c", "echo; read _"]);
      await other.line();
      using pidfd = PidFd.fromChild(other.child);
      using self = PidFd.fromSelf();
      for (const kind of KINDS.filter((kind) => HERE.has(kind))) {
        using theirs = pidfd.getNamespace(kind);
        assertEquals(theirs.inode(), inodeUnderProc(other.child.pid, kind), kind);
      }
      for (const kind of OWN.filter((kind) => HERE.has(kind))) {
        using theirs = pidfd.getNamespace(kind);
        using ours = self.getNamespace(kind);
        assertNotEquals(theirs.inode(), ours.inode(), kind);
      }
    },
  );

  Deno.test(`PidFd.getNamespace() ${way} throws ESRCH once the process ended`, () => {
    using _ = take();
    using child = startUnreaped("exit 0");
    blockUntilEnded(child.pid);
    const before = openFds();
    const refuses = () => {
      for (const kind of ["net", "uts"] as const) {
        const error = assertThrows(() => child.pidfd.getNamespace(kind), SyscallError);
        assertEquals(error.code, "ESRCH");
      }
    };
    // As a zombie, and then as nothing at all.
    refuses();
    child.pidfd.waitSync({ reap: true });
    refuses();
    assertEquals(openFds(), before);
  });
}

Deno.test("PidFd.getNamespace() under /proc gives nothing if the process is reaped meanwhile", () => {
  using _ = without(namespaceIoctls);
  using child = startUnreaped("exec sleep 60");
  const before = openFds();
  using reaping = whenOpening("/ns/net", {
    after() {
      child.pidfd.kill();
      child.pidfd.waitSync({ reap: true });
    },
  });
  const error = assertThrows(() => child.pidfd.getNamespace("net"), SyscallError, "was reaped");
  assertEquals(error.code, "ESRCH");
  assert(reaping.done);
  assertEquals(openFds(), before);
});

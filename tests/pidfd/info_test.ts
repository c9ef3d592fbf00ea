/**
 * Who a process is, as the kernel tells it in one call, and as the older ways tell the same.
 *
 * @module
 */

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { infoIoctl, pidfsIds } from "../../ffi/capabilities.ts";
import { PidFd, type ProcessInfo, SyscallError, UnsupportedError } from "../../mod.ts";
import { blockUntilEnded, startTalking, startUnreaped } from "../support/children.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { isRoot, readStat, runProgram, startStranger } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const CAPABILITIES = new URL("../../ffi/capabilities.ts", import.meta.url).href;
const SHADOW = new URL("../support/shadow.ts", import.meta.url).href;

/** The two ways to know. */
const WAYS: Record<string, () => Disposable> = {
  "by ioctl": () => ({ [Symbol.dispose]() {} }),
  "under /proc": () => without(infoIoctl),
};

/** What the getters tell one by one. */
function askOneByOne(pidfd: PidFd): Omit<ProcessInfo, "tgid" | "coreDump"> {
  return {
    pid: pidfd.getPid(),
    ppid: pidfd.getPpid(),
    id: pidfsIds.available ? pidfd.getId() : null,
    cgroupId: pidfd.getInfo().cgroupId === null ? null : pidfd.getCgroupId(),
    creds: pidfd.getCreds(),
  };
}

/** Checks that all ways and all getters tell the same of a process, and returns it. */
function agreed(pidfd: PidFd): ProcessInfo {
  const info = pidfd.getInfo();
  const { tgid: _, coreDump: __, ...facts } = info;
  for (const take of Object.values(WAYS)) {
    using _ = take();
    assertEquals(pidfd.getInfo(), info);
    assertEquals(askOneByOne(pidfd), facts);
  }
  return info;
}

Deno.test("PidFd.getInfo() and all getters, by ioctl and under /proc, know this process", () => {
  using self = PidFd.fromSelf();
  const { pid, tgid, ppid, creds } = agreed(self);
  assertEquals([pid, tgid, ppid], [Deno.pid, Deno.pid, Deno.ppid]);
  const { ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid } = creds;
  const status = Deno.readTextFileSync("/proc/self/status");
  assertEquals(/^Uid:\t(.*)$/m.exec(status)?.[1], [ruid, euid, suid, fsuid].join("\t"));
  assertEquals(/^Gid:\t(.*)$/m.exec(status)?.[1], [rgid, egid, sgid, fsgid].join("\t"));
});

Deno.test("PidFd.getInfo() and all getters, by ioctl and under /proc, know a child and its zombie", () => {
  using child = startUnreaped("exec sleep 60");
  const { pid, tgid, ppid, id } = agreed(child.pidfd);
  assertEquals([pid, tgid, ppid], [child.pid, child.pid, Deno.pid]);
  child.pidfd.kill();
  blockUntilEnded(child.pid);
  assertEquals(agreed(child.pidfd).id, id);
});

Deno.test("PidFd.getInfo() and all getters, by ioctl and under /proc, know a stranger", async () => {
  await using stranger = await startStranger("exec sleep 60");
  using pidfd = PidFd.fromPid(stranger.pid);
  const { pid, ppid } = agreed(pidfd);
  assertEquals(pid, stranger.pid);
  assertEquals(ppid, readStat(pid)?.ppid);
});

Deno.test("PidFd.getInfo() goes into JSON with all that it has, the ids in decimal", () => {
  using self = PidFd.fromSelf();
  for (const take of Object.values(WAYS)) {
    using _ = take();
    const info = self.getInfo();
    const decimal = (id: bigint | null) => id === null ? null : String(id);
    const { id, cgroupId, ...others } = info;
    const expected = { ...others, id: decimal(id), cgroupId: decimal(cgroupId) };
    assertEquals(JSON.parse(JSON.stringify({ info })), { info: expected });
    // Whoever copies, compares or prints it sees a plain object.
    assertEquals(Object.keys(info), ["pid", "tgid", "ppid", "id", "cgroupId", "creds", "coreDump"]);
    assertEquals(Deno.inspect(info), Deno.inspect({ ...info }));
    assertEquals(structuredClone(info), { ...info });
    assertEquals(info.constructor, Object);
  }
  {
    using _ = without(pidfsIds);
    assertEquals(JSON.parse(JSON.stringify(self.getInfo())).id, null);
  }
});

/** Gives itself eight different IDs. It keeps its rights to the last of the calls. */
const EIGHT_IDS = `
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    prctl: { parameters: ["i32", "usize"], result: "i32" },
    setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setfsgid: { parameters: ["u32"], result: "i32" },
    setfsuid: { parameters: ["u32"], result: "i32" },
  });
  const PR_SET_SECUREBITS = 28;
  const SECBIT_NO_SETUID_FIXUP = 4n;
  libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
  libc.setresgid(2001, 2002, 2003);
  libc.setfsgid(2004);
  libc.setresuid(1001, 1002, 1003);
  libc.setfsuid(1004);
  console.log("done");
  for await (const _ of Deno.stdin.readable);
`;

Deno.test(
  needing("root", isRoot, "PidFd.getCreds(), by ioctl and under /proc, tells eight IDs apart"),
  async () => {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, EIGHT_IDS);
      await using other = startTalking(Deno.execPath(), ["run", "-A", "--no-check", file]);
      assertEquals(await other.line(), "done");
      using pidfd = PidFd.fromChild(other.child);
      assertEquals(agreed(pidfd).creds, {
        ruid: 1001,
        euid: 1002,
        suid: 1003,
        fsuid: 1004,
        rgid: 2001,
        egid: 2002,
        sgid: 2003,
        fsgid: 2004,
      });
    } finally {
      await Deno.remove(file);
    }
  },
);

for (const [way, take] of Object.entries(WAYS)) {
  Deno.test(`PidFd.getInfo() and all getters ${way} throw ESRCH once the process was reaped`, () => {
    using _ = take();
    using child = startUnreaped("exit 0");
    const id = pidfsIds.available ? child.pidfd.getId() : null;
    child.pidfd.waitSync({ reap: true });
    for (const get of ["getInfo", "getPid", "getPpid", "getCreds", "getCgroupId"] as const) {
      const error = assertThrows(() => child.pidfd[get](), SyscallError, "the process was reaped");
      assertEquals(error.code, "ESRCH", get);
    }
    // The one thing that lasts.
    if (id !== null) assertEquals(child.pidfd.getId(), id);
  });
}

const PID_NAMESPACE = inNamespaces("--pid", "--fork", "--kill-child", "--mount-proc");

Deno.test(
  needing(
    "unshare",
    works(PID_NAMESPACE),
    "PidFd.getInfo() and getPid() throw for a process that has no PID in this PID namespace",
  ),
  async () => {
    using self = PidFd.fromSelf();
    self.setCloseOnExec(false);
    const code = `
      import { PidFd } from "@pidfd/util";
      import { infoIoctl } from "${CAPABILITIES}";
      import { without } from "${SHADOW}";
      const pidfd = PidFd.fromFd(${self.fd});
      function report() {
        for (const get of ["getPid", "getInfo"]) {
          try {
            console.log(pidfd[get]());
          } catch ({ code, message }) {
            console.log(code, message.includes("not visible in this PID namespace"));
          }
        }
      }
      report();
      using _ = without(infoIoctl);
      report();
    `;
    const { stdout } = await runProgram(code, { flags: ["-A"], prefix: PID_NAMESPACE });
    const byIoctl = infoIoctl.available ? "EREMOTE true" : "ESRCH true";
    assertEquals(stdout.trim().split("\n"), [byIoctl, byIoctl, "ESRCH true", "ESRCH true"]);
  },
);

Deno.test("PidFd.getId() is unsupported before Linux 6.9, and null in getInfo()", () => {
  using _ = without(pidfsIds);
  using self = PidFd.fromSelf();
  const { code, feature, since } = assertThrows(() => self.getId(), UnsupportedError);
  assertEquals([code, feature, since], ["ENOTSUP", "a process's id (pidfs)", "Linux 6.9"]);
  assertEquals(self.getInfo().id, null);
});

Deno.test(
  needing(
    "Linux 6.9",
    pidfsIds.available,
    "PidFd.getId() differs from process to process, and not from handle to handle",
  ),
  () => {
    using one = startUnreaped("exec sleep 60");
    using other = startUnreaped("exec sleep 60");
    using clone = one.pidfd.clone();
    using again = PidFd.fromPid(one.pid);
    const id = one.pidfd.getId();
    assertEquals([clone.getId(), again.getId()], [id, id]);
    assertNotEquals(other.pidfd.getId(), id);
  },
);

/** The two ways to compare. */
const COMPARISONS: Record<string, () => Disposable> = {
  "by their ids": () => ({ [Symbol.dispose]() {} }),
  "before Linux 6.9": () => without(pidfsIds),
};

for (const [way, take] of Object.entries(COMPARISONS)) {
  Deno.test(`PidFd.equals() compares processes ${way}`, () => {
    using _ = take();
    using child = startUnreaped("exec sleep 60");
    using self = PidFd.fromSelf();
    using clone = child.pidfd.clone();
    using again = PidFd.fromPid(child.pid);
    const { pidfd } = child;
    const answers = [pidfd, clone, again, self].map((other) => pidfd.equals(other));
    assertEquals(answers, [true, true, true, false]);
    assertEquals(self.equals(pidfd), false);
    pidfd.kill();
    blockUntilEnded(child.pid);
    assertEquals([pidfd.equals(again), pidfd.equals(self)], [true, false]);
  });
}

Deno.test("PidFd.equals() before Linux 6.9 throws ESRCH if one of the processes was reaped", () => {
  using child = startUnreaped("exit 0");
  using clone = child.pidfd.clone();
  using self = PidFd.fromSelf();
  child.pidfd.waitSync({ reap: true });
  if (pidfsIds.available) assertEquals(child.pidfd.equals(clone), true);
  using _ = without(pidfsIds);
  for (const [one, other] of [[clone, child.pidfd], [child.pidfd, self], [self, child.pidfd]]) {
    assertEquals(assertThrows(() => one.equals(other), SyscallError).code, "ESRCH");
  }
});

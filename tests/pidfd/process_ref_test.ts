/**
 * A process in writing: its two forms, and what becomes of a reference when its process ends,
 * when another has its PID, and when the machine was started anew.
 *
 * @module
 */

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { idHandles, pidfsIds } from "../../ffi/capabilities.ts";
import {
  PidFd,
  ProcessRef,
  type ProcessRefJson,
  SyscallError,
  UnsupportedError,
} from "../../mod.ts";
import { startUnreaped } from "../support/children.ts";
import { canUnshare, startApart, withRights } from "../support/namespaces.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { openFds, ROOT, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const BOOT = "9f3d1c2e-0000-4000-8000-000000000000";

Deno.test("ProcessRef has a text form without the boot, and reads it", () => {
  const ref = new ProcessRef(4711, 2n ** 64n - 1n, BOOT);
  assertEquals(String(ref), "4711:18446744073709551615");
  const { pid, id, bootId } = ProcessRef.parse(String(ref));
  assertEquals([pid, id, bootId], [4711, 2n ** 64n - 1n, null]);
});

Deno.test("ProcessRef survives JSON with all that it has", () => {
  for (const [bootId, pidNamespace] of [[BOOT, 4026531836], [null, null]] as const) {
    const ref = new ProcessRef(4711, 2n ** 53n + 1n, bootId, pidNamespace);
    const text = JSON.stringify({ ref });
    const json = { pid: 4711, id: "9007199254740993", bootId, pidNamespace };
    assertEquals(JSON.parse(text).ref, json);
    assertEquals(ProcessRef.fromJSON(JSON.parse(text).ref), ref);
  }
});

for (
  const text of [
    "",
    "1",
    "1:",
    ":1",
    "1:2:3",
    " 1:2",
    "1:2\n",
    "-1:2",
    "1:0x2",
    "a:b",
    "01:2",
    "1:02",
  ]
) {
  Deno.test(`ProcessRef.parse() refuses ${JSON.stringify(text)}`, () => {
    const { message } = assertThrows(() => ProcessRef.parse(text), SyntaxError);
    assertEquals(message, `not of the form PID:ID: ${JSON.stringify(text)}`);
  });
}

Deno.test("ProcessRef refuses numbers that no process has", () => {
  assertThrows(() => new ProcessRef(0, 1n), RangeError, "pid must be an integer in");
  assertThrows(() => new ProcessRef(1, 0n), RangeError, "id must be in 1…2^64−1");
  assertThrows(() => ProcessRef.parse("0:1"), RangeError, "pid");
  assertThrows(() => ProcessRef.parse("1:0"), RangeError, "id");
  assertThrows(() => ProcessRef.parse("99999999999:1"), RangeError, "pid");
});

Deno.test("ProcessRef.fromJSON() refuses what isn't one", () => {
  // deno-lint-ignore no-explicit-any
  const refused = (json: any, type: new (...args: any[]) => Error) =>
    assertThrows(() => ProcessRef.fromJSON(json), type);
  for (const json of [null, undefined, {}, { pid: 1, id: 1 }, { id: "1" }]) {
    refused(json, TypeError);
  }
  for (const id of ["x", "", "0x10", " 12 ", "12n", "+12", "-12", "012", "1e3", "١"]) {
    refused({ pid: 1, id, bootId: null }, SyntaxError);
  }
  // Without a boot's id, it would find whoever has the id after the next.
  refused({ pid: 1, id: "1" }, TypeError);
  for (const bootId of ["", "boot", ` ${BOOT}`, `${BOOT}\n`, BOOT.toUpperCase()]) {
    refused({ pid: 1, id: "1", bootId }, SyntaxError);
  }
  refused({ pid: "1", id: "1", bootId: null }, TypeError);
  for (const pidNamespace of ["1", 1n]) {
    refused({ pid: 1, id: "1", bootId: null, pidNamespace }, TypeError);
  }
  for (const pidNamespace of [0, -1, 1.5, 2 ** 32]) {
    refused({ pid: 1, id: "1", bootId: null, pidNamespace }, RangeError);
  }
  refused({ pid: 1, id: "1", bootId: 7 }, TypeError);
  refused({ pid: 0, id: "1", bootId: null }, RangeError);
});

/** Registers a test that needs ids. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ ...needing("Linux 6.9", pidfsIds.available, name), fn });
}

test("PidFd.fromRef() finds the process by each form", () => {
  using self = PidFd.fromSelf();
  const ref = self.toRef();
  assertEquals([ref.pid, ref.id], [Deno.pid, self.getId()]);
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  assertEquals(ref.bootId, boot);
  for (const form of [ref, String(ref), ProcessRef.fromJSON(ref.toJSON())]) {
    using found = PidFd.fromRef(form);
    assertEquals(found.equals(self), true);
  }
});

test("PidFd.fromRef() tells another boot, and a process that is gone, by their codes", () => {
  using child = startUnreaped("exec sleep 60");
  const { pid, id } = child.pidfd.toRef();
  const before = openFds();
  const code = (ref: ProcessRef) => assertThrows(() => PidFd.fromRef(ref), SyscallError).code;
  assertEquals(code(new ProcessRef(pid, id, BOOT)), "ESTALE");
  // As if the PID had gone to this one.
  assertEquals(code(new ProcessRef(pid, id + 1_000_000n)), "EREMCHG");
  child.pidfd.kill();
  child.pidfd.waitSync({ reap: true });
  assertEquals(code(new ProcessRef(pid, id)), "ESRCH");
  assertEquals(openFds(), before);
});

/** The code that a reference is refused with, or null if it isn't. */
function codeOf(ref: ProcessRef | string): string | null {
  try {
    PidFd.fromRef(ref).close();
    return null;
  } catch (error) {
    if (error instanceof SyscallError) return error.code;
    throw error;
  }
}

test("PidFd.fromRef() finds a process in another PID namespace by its id, or says why not", () => {
  using self = PidFd.fromSelf();
  using child = startUnreaped("exec sleep 60");
  const { pid, id, bootId, pidNamespace } = child.pidfd.toRef();
  const before = openFds();
  const own = readNamespace();
  assertEquals([pidNamespace, self.toRef().pidNamespace], [own, own]);
  const other = own - 1;
  const byId = idHandles.available;
  // Written elsewhere, with a PID that is nobody's or another's here.
  for (const strange of [2 ** 30, Deno.pid]) {
    const foreign = new ProcessRef(strange, id, bootId, other);
    assertEquals(codeOf(foreign), byId ? null : "EREMOTE");
    // Without the boot's id, only the PID tells that it isn't from another boot.
    const known = byId || strange === Deno.pid;
    assertEquals(codeOf(new ProcessRef(strange, id)), known ? "EREMCHG" : "ESRCH");
    assertEquals(codeOf(`${strange}:${id}`), known ? "EREMCHG" : "ESRCH");
    // The PID counts where it is one of ours.
    const ours = new ProcessRef(strange, id, bootId, own);
    assertEquals(codeOf(ours), byId ? null : strange === Deno.pid ? "EREMCHG" : "ESRCH");
  }
  child.pidfd.kill();
  child.pidfd.waitSync({ reap: true });
  const INITIAL = 0xeffffffc;
  const gone = byId && own === INITIAL ? "ESRCH" : "EREMOTE";
  assertEquals(codeOf(new ProcessRef(pid, id, bootId, other)), gone);
  assertEquals(codeOf(new ProcessRef(Deno.pid, id, bootId, other)), gone);
  assertEquals(codeOf(new ProcessRef(pid, id, bootId, own)), "ESRCH");
  assertEquals(openFds(), before);
});

function readNamespace(): number {
  return Number(/\d+/.exec(Deno.readLinkSync("/proc/self/ns/pid"))![0]);
}

test("PidFd.fromRef() looks by the PID before Linux 6.14", () => {
  using _ = without(idHandles);
  using self = PidFd.fromSelf();
  const { pid, id, bootId, pidNamespace } = self.toRef();
  assertEquals(codeOf(self.toRef()), null);
  assertEquals(codeOf(`${pid}:${id}`), null);
  assertEquals(codeOf(new ProcessRef(pid, id + 9n, bootId, pidNamespace)), "EREMCHG");
  const foreign = new ProcessRef(pid, id, bootId, pidNamespace! - 1);
  const { message } = assertThrows(() => PidFd.fromRef(foreign), SyscallError, "EREMOTE");
  assertEquals(message.includes("needs Linux 6.14"), true);
});

Deno.test(
  needing(
    "Linux 6.14 and a PID namespace",
    idHandles.available && works(inNamespaces("--pid", "--fork")),
    "References go from one PID namespace to another, as far as the process is to be seen there",
  ),
  async () => {
    using outside = startUnreaped("exec sleep 60");
    // What is inside is below, and so to be seen here by another PID.
    const { inner, codes } = await runForValue(
      `
      import { PidFd, ProcessRef } from "@pidfd/util";
      const self = PidFd.fromSelf();
      const codes = [];
      const outer = JSON.parse(${JSON.stringify(JSON.stringify(outside.pidfd.toRef()))});
      for (const ref of [ProcessRef.fromJSON(outer), self.toRef(), String(self.toRef())]) {
        try {
          PidFd.fromRef(ref).close();
          codes.push(null);
        } catch ({ code }) {
          codes.push(code);
        }
      }
      const inner = self.toRef();
      // Its own parent waits for it, and so its zombie is there until the answer is read.
      console.log(JSON.stringify({ inner, codes }));
    `,
      ["--allow-ffi"],
      inNamespaces("--pid", "--fork"),
    ) as { inner: ProcessRefJson; codes: unknown[] };
    assertEquals(codes, ["EREMOTE", null, null]);
    // By now it is gone.
    const { pidNamespace } = outside.pidfd.toRef();
    assertNotEquals(inner.pidNamespace, pidNamespace);
    const gone = pidNamespace === 0xeffffffc ? "ESRCH" : "EREMOTE";
    assertEquals(codeOf(ProcessRef.fromJSON(inner)), gone);
  },
);

Deno.test(
  needing(
    "Linux 6.14, and user namespaces or root",
    idHandles.available && canUnshare,
    "PidFd.fromRef() takes every PID that a process has from here on down",
  ),
  () => {
    using child = startApart(withRights("pid"));
    const id = child.pidfd.getId();
    const [here, inside] = child.pidfd.getPids();
    assertEquals([codeOf(`${here}:${id}`), codeOf(`${inside}:${id}`)], [null, null]);
    assertEquals(codeOf(`${here + 1}:${id}`), "EREMCHG");
  },
);

test("PidFd.fromPid() with an id finds the process, or says who has the PID", () => {
  using self = PidFd.fromSelf();
  const id = self.getId();
  using found = PidFd.fromPid(Deno.pid, { id });
  assertEquals(found.equals(self), true);
  const refusal = assertThrows(() => PidFd.fromPid(Deno.pid, { id: id + 7n }), SyscallError);
  assertEquals(refusal.code, "ESRCH");
  assertEquals(
    refusal.message.includes(
      `the process with id ${id + 7n} is gone; PID ${Deno.pid} now belongs to id ${id}`,
    ),
    true,
  );
});

Deno.test(
  needing("Linux 6.14", idHandles.available, "PidFd.fromId() finds a process by its id alone"),
  () => {
    using child = startUnreaped("exec sleep 60");
    const id = child.pidfd.getId();
    using found = PidFd.fromId(id);
    assertEquals([found.getPid(), found.equals(child.pidfd)], [child.pid, true]);
    child.pidfd.kill();
    child.pidfd.waitSync({ reap: true });
    const { code } = assertThrows(() => PidFd.fromId(id), SyscallError, `id ${id} was reaped`);
    assertEquals(code, "ESTALE");
  },
);

Deno.test("PidFd.fromId() says before Linux 6.14 what to do instead", () => {
  using _ = without(idHandles);
  const error = assertThrows(() => PidFd.fromId(1n), UnsupportedError);
  assertEquals(error.since, "Linux 6.14");
  assertEquals(error.message.includes("fromPid(pid, { id }) works from Linux 6.9 on"), true);
});

Deno.test("PidFd.toRef() and fromRef() say before Linux 6.9 what they need", () => {
  using _ = without(pidfsIds);
  using self = PidFd.fromSelf();
  assertEquals(assertThrows(() => self.toRef(), UnsupportedError).since, "Linux 6.9");
  assertEquals(assertThrows(() => PidFd.fromRef("1:1"), UnsupportedError).since, "Linux 6.9");
});

const inPidNamespace = inNamespaces("--pid", "--fork", "--mount-proc");

Deno.test(
  needing(
    "Linux 6.9 and a PID namespace",
    pidfsIds.available && works(inPidNamespace),
    "A reference finds its process from program to program, until it is dead or replaced",
  ),
  async () => {
    // One program stores it, and others that start later read it, as after a restart.
    const value = await runForValue(
      `
      import { PidFd } from "@pidfd/util";
      import { startUnreaped } from "${ROOT}tests/support/children.ts";
      import { startAs } from "${ROOT}tests/support/reused_pid.ts";
      import { runForValue } from "${ROOT}tests/support/processes.ts";
      const find = (stored) => runForValue(\`
        import { PidFd, ProcessRef } from "@pidfd/util";
        let found;
        try {
          using pidfd = PidFd.fromRef(ProcessRef.fromJSON(\${stored}));
          found = pidfd.isAlive() ? "runs" : "zombie";
        } catch ({ code }) {
          found = code;
        }
        console.log(JSON.stringify(found));
      \`);
      const child = startUnreaped("exec sleep 60");
      const stored = JSON.stringify(child.pidfd.toRef());
      const found = [await find(stored)];
      child.pidfd.kill();
      await child.pidfd.exited();
      found.push(await find(stored));
      child.pidfd.waitSync({ reap: true });
      found.push(await find(stored));
      const newcomer = startAs(child.pid);
      found.push(await find(stored), newcomer.pid === child.pid, newcomer.pidfd.isAlive());
      newcomer.pidfd.kill();
      console.log(JSON.stringify(found));
      Deno.exit();
    `,
      ["--allow-all"],
      inPidNamespace,
    );
    assertEquals(value, ["runs", "zombie", "ESRCH", "EREMCHG", true, true]);
  },
);

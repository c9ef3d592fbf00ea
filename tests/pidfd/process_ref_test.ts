/**
 * A process in writing: its two forms, and what becomes of a reference when its process ends,
 * when another has its PID, and when the machine was started anew.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { idHandles, pidfsIds } from "../../ffi/capabilities.ts";
import { PidFd, ProcessRef, SyscallError, UnsupportedError } from "../../mod.ts";
import { startUnreaped } from "../support/children.ts";
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
  for (const bootId of [BOOT, null]) {
    const ref = new ProcessRef(4711, 2n ** 53n + 1n, bootId);
    const text = JSON.stringify({ ref });
    assertEquals(JSON.parse(text).ref, { pid: 4711, id: "9007199254740993", bootId });
    const { pid, id, bootId: boot } = ProcessRef.fromJSON(JSON.parse(text).ref);
    assertEquals([pid, id, boot], [4711, 2n ** 53n + 1n, bootId]);
  }
});

for (const text of ["", "1", "1:", ":1", "1:2:3", " 1:2", "1:2\n", "-1:2", "1:0x2", "a:b"]) {
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
  refused({ pid: 1, id: "x", bootId: null }, SyntaxError);
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

/**
 * What `console.log` shows of handles, in each of their states.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { inspect as nodeInspect } from "node:util";
import { infoIoctl, pidfsIds } from "../../ffi/capabilities.ts";
import { close } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { FdListener, FdSocket, OwnedFd, PidFd, ProcessRef, spawn, Terminal } from "../../mod.ts";
import { blockUntilEnded, startUnreaped } from "../support/children.ts";
import { watchCalls } from "../support/calls.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { idle, runForValue } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { abstractName } from "../support/sockets.ts";

const PID_NAMESPACE = inNamespaces("--pid", "--fork", "--kill-child", "--mount-proc");

Deno.test("PidFd shows its PID and its descriptor, from two calls", () => {
  using self = PidFd.fromSelf();
  self.getPid();
  using calls = watchCalls();
  assertEquals(Deno.inspect(self), `PidFd { pid: ${Deno.pid}, fd: ${self.fd} }`);
  if (infoIoctl.available) assertEquals(calls.names, ["ioctl", "poll"]);
});

Deno.test("PidFd shows that its process has ended: as a zombie, and when it was reaped", () => {
  using child = startUnreaped("exit 7");
  const { pidfd, pid } = child;
  blockUntilEnded(pid);
  assertEquals(Deno.inspect(pidfd), `PidFd { pid: ${pid}, fd: ${pidfd.fd}, ended: true }`);
  pidfd.waitSync({ reap: true });
  const id = pidfsIds.available ? ` id: ${pidfd.getId()}n,` : "";
  assertEquals(Deno.inspect(pidfd), `PidFd { pid: null,${id} fd: ${pidfd.fd}, ended: true }`);
});

Deno.test("PidFd shows what can be told where /proc has to be read", () => {
  using _ = without(infoIoctl);
  using self = PidFd.fromSelf();
  assertEquals(Deno.inspect(self), `PidFd { pid: ${Deno.pid}, fd: ${self.fd} }`);
});

Deno.test({
  ...needing(
    "unshare",
    works(PID_NAMESPACE),
    "PidFd shows a process that is not to be seen in this PID namespace without a PID",
  ),
  async fn() {
    using child = startUnreaped("sleep 60");
    child.pidfd.setCloseOnExec(false);
    const { fd } = child.pidfd;
    const program = `
      import { PidFd } from "@pidfd/util";
      console.log(JSON.stringify(Deno.inspect(PidFd.fromFd(${fd}))));
    `;
    const text = await runForValue(program, ["--allow-ffi"], PID_NAMESPACE);
    const id = pidfsIds.available ? ` id: ${child.pidfd.getId()}n,` : "";
    assertEquals(text, `PidFd { pid: null,${id} fd: ${fd} }`);
  },
});

Deno.test("OwnedFd shows what it is open on", () => {
  using file = OwnedFd.open("/dev/null");
  assertEquals(Deno.inspect(file), `OwnedFd { fd: ${file.fd}, path: "/dev/null" }`);
  const { reader, writer } = OwnedFd.pipe();
  for (const end of [reader, writer]) {
    using _ = end;
    const path = Deno.readLinkSync(`/proc/self/fd/${end.fd}`);
    assertEquals(Deno.inspect(end), `OwnedFd { fd: ${end.fd}, path: "${path}" }`);
  }
});

Deno.test("FdSocket and FdListener show what they are", () => {
  for (const type of ["stream", "seqpacket"] as const) {
    const [one, other] = FdSocket.pair({ type });
    using _ = one;
    using __ = other;
    assertEquals(Deno.inspect(one), `FdSocket { type: "${type}", fd: ${one.fd} }`);
  }
  const name = abstractName();
  using listener = FdSocket.listen(name);
  const text = Deno.inspect(listener, { breakLength: 120 });
  assertEquals(text, `FdListener { path: "${name}", fd: ${listener.fd} }`);
  listener.close();
  const after = Deno.inspect(listener, { breakLength: 120 });
  assertEquals(after, `FdListener { path: "${name}", closed: true }`);
});

Deno.test("handles show that they are closed, or were given away", () => {
  const ends: ((handle: PidFd | OwnedFd) => void)[] = [
    (handle) => handle.close(),
    (handle) => close(handle.intoFd()),
  ];
  for (const end of ends) {
    for (const handle of [PidFd.fromSelf(), OwnedFd.open("/dev/null")]) {
      end(handle);
      assertEquals(Deno.inspect(handle), `${handle.constructor.name} { closed: true }`);
    }
  }
  const [one, other] = FdSocket.pair();
  one.close();
  other.close();
  assertEquals(Deno.inspect(one), 'FdSocket { type: "stream", closed: true }');
});

Deno.test("OwnedFd shows itself closed once its streams own the descriptor", async () => {
  const { reader, writer } = OwnedFd.pipe();
  writer.close();
  const { readable } = reader;
  assertEquals(Deno.inspect(reader), "OwnedFd { closed: true }");
  await readable.cancel();
  await idle();
});

Deno.test("ProcessRef and Child show what they are by their properties", async () => {
  const ref = new ProcessRef(4711, 81234n);
  assertEquals(
    Deno.inspect(ref),
    "ProcessRef { pid: 4711, id: 81234n, bootId: null, pidNamespace: null }",
  );
  const child = spawn("true", { stdin: "null", stdout: "null", stderr: "null" });
  const text = Deno.inspect(child);
  assert(text.startsWith(`Child { pid: ${child.pid}`), text);
  await child.status;
  await idle();
});

Deno.test("a handle inside of other objects is shown by the options that they are shown by", () => {
  using self = PidFd.fromSelf();
  const plain = `PidFd { pid: ${Deno.pid}, fd: ${self.fd} }`;
  assertEquals(Deno.inspect({ held: [self] }), `{ held: [ ${plain} ] }`);
  assertEquals(nodeInspect({ self }), `{ self: ${plain} }`);
  const yellow = (value: number) => `\x1b[33m${value}\x1b[39m`;
  assertEquals(
    Deno.inspect({ self }, { colors: true }),
    `{ self: PidFd { pid: ${yellow(Deno.pid)}, fd: ${yellow(self.fd)} } }`,
  );
  assertEquals(
    Deno.inspect({ self }, { compact: false }),
    `{\n  self: PidFd {\n    pid: ${Deno.pid},\n    fd: ${self.fd}\n  }\n}`,
  );
  assertEquals(Deno.inspect({ a: { b: { self } } }, { depth: 1 }), "{ a: { b: [Object] } }");
});

Deno.test("nothing that is shown throws, whatever fails", () => {
  using self = PidFd.fromSelf();
  using file = OwnedFd.open("/dev/null");
  {
    const fail = () => {
      throw new Error("out of order");
    };
    using _ = shadow(libc(), "ioctl", () => fail);
    using __ = shadow(libc(), "openat", () => fail);
    using ___ = shadow(libc(), "poll", () => fail);
    using ____ = shadow(libc(), "readlinkat", () => fail);
    using _____ = shadow(libc(), "syscall_statx", () => fail);
    const text = Deno.inspect(self);
    assert(text.startsWith("PidFd { pid: null") && text.endsWith(`fd: ${self.fd} }`), text);
    assertEquals(Deno.inspect(file), `OwnedFd { fd: ${file.fd} }`);
  }
  for (const { name, prototype } of [PidFd, OwnedFd, FdSocket, FdListener, Terminal]) {
    assert(Deno.inspect(prototype).startsWith(`${name} {`), name);
  }
});

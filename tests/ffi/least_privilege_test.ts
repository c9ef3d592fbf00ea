/**
 * One permission is enough for everything: that of opening libc, by its path.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { isFile } from "../../ffi/files.ts";
import { OwnedFd, PidFd } from "../../mod.ts";
import { runForValue } from "../support/processes.ts";

/** The paths under which libc is looked for when not every library may be opened. */
const PATHS = ["/lib", "/usr/lib"].flatMap((folder) => [
  `${folder}/${Deno.build.arch}-linux-gnu/libc.so.6`,
  `${folder}64/libc.so.6`,
]);

/**
 * Uses all that handles can do, and prints what was used, and each error. `fromChild` is left
 * out: it takes a child of `Deno.Command`, which needs a permission itself.
 */
const PROGRAM = `
  import { OwnedFd, PidFd, spawn, SyscallError, UnsupportedError } from "@pidfd/util";

  const used = [];
  function watch(target, owner) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(target))) {
      if (name === "prototype" || name === "constructor") continue;
      const kind = property.get ? "get" : "value";
      const before = property[kind];
      if (typeof before !== "function") continue;
      property[kind] = function (...args) {
        used.push(owner + name);
        return before.apply(this, args);
      };
      Object.defineProperty(target, name, property);
    }
  }
  watch(PidFd, "PidFd.");
  watch(PidFd.prototype, "PidFd#");
  watch(OwnedFd, "OwnedFd.");
  watch(OwnedFd.prototype, "OwnedFd#");

  const errors = new Set();
  function attempt(use) {
    try {
      return use();
    } catch (error) {
      // What an older kernel hasn't is not what this is about.
      if (error instanceof UnsupportedError) return undefined;
      if (!(error instanceof SyscallError)) throw error;
      errors.add(error.code);
    }
  }

  using self = PidFd.fromSelf();
  using other = PidFd.fromPid(Deno.pid);
  if (self.closed || self.fd < 0 || !self.equals(other)) throw new Error("not this program");
  self.getPid();
  self.getPpid();
  self.getPids();
  self.getCreds();
  self.getInfo();
  self.isAlive();
  attempt(() => self.getCgroupId());
  const id = attempt(() => self.getId());
  attempt(() => PidFd.fromId(id ?? 1n).close());
  const ref = attempt(() => self.toRef());
  attempt(() => PidFd.fromRef(ref ?? "1:1").close());
  attempt(() => self.setNamespace("uts"));
  attempt(() => PidFd.fromPid(2 ** 31 - 1));
  self.sendSignal(0);
  self.setCloseOnExec(true);
  self.accessProc((proc) => {
    proc.readTextFile("status");
    proc.readFile("cmdline");
    proc.readLink("ns/net");
    proc.list("fd");
  });
  PidFd.fromFd(other.clone().intoFd()).close();

  using net = self.getNamespace("net");
  if (net.closed || net.fd < 0) throw new Error("closed");
  net.inode();
  attempt(() => net.namespaceId());
  net.setCloseOnExec(true);
  new OwnedFd(net.clone().intoFd()).close();
  OwnedFd.open("/dev/null").close();
  Object.values(OwnedFd.pipe()).forEach((end) => end.close());

  // A child that is awaited in each way, with pipes to it.
  const child = spawn("sh", { args: ["-c", "read line; exit $line"], stdin: "piped" });
  using pidfd = child.pidfd;
  using input = pidfd.getRemoteFd(0);
  pidfd.tryWait();
  const exited = pidfd.exited();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("7\\n"));
  await writer.close();
  await exited;
  const codes = [pidfd.waitSync().code, (await pidfd.wait()).code, (await child.status).code];
  attempt(() => pidfd.kill());

  const speaker = spawn("sh", { args: ["-c", "echo hello; exec sleep 60"], stdout: "piped" });
  using killed = speaker.pidfd;
  const reader = speaker.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  const { signal } = await killed.terminate();
  await speaker.status;

  console.log(JSON.stringify({
    used: [...new Set(used)].sort(),
    errors: [...errors].filter((code) => code !== "EPERM"),
    codes,
    signal,
    said: new TextDecoder().decode(value),
  }));
`;

/** Every method and accessor, as the program names them. */
function members(): string[] {
  const names = (target: object, owner: string) =>
    Object.entries(Object.getOwnPropertyDescriptors(target))
      .filter(([, { value, get }]) => typeof (get ?? value) === "function")
      .map(([name]) => owner + name);
  return [
    ...names(PidFd, "PidFd."),
    ...names(PidFd.prototype, "PidFd#"),
    ...names(OwnedFd, "OwnedFd."),
    ...names(OwnedFd.prototype, "OwnedFd#"),
  ].filter((name) => !/[.#](constructor|prototype|fromChild)$/.test(name)).sort();
}

for (const path of PATHS.filter(isFile)) {
  Deno.test(`PidFd and OwnedFd work with --allow-ffi=${path} and nothing else`, async () => {
    const facts = await runForValue(PROGRAM, [`--allow-ffi=${path}`]);
    assertEquals(facts, {
      used: members(),
      errors: ["ESRCH"],
      codes: [7, 7, 7],
      signal: "SIGTERM",
      said: "hello\n",
    });
  });
}

Deno.test("PidFd and OwnedFd work with --allow-ffi", async () => {
  const { errors } = await runForValue(PROGRAM) as { errors: string[] };
  assertEquals(errors, ["ESRCH"]);
});

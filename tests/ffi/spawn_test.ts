/**
 * Starting a process with each libc that can be met: the newest, which has a call for it, those
 * before, and the oldest, which lack further functions.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { cgroupSpawn, pidfdSpawn } from "../../ffi/capabilities.ts";
import { Errno } from "../../ffi/errno.ts";
import { pipe, readAll } from "../../ffi/files.ts";
import { type Libc, libc } from "../../ffi/libc.ts";
import { spawnLibc } from "../../ffi/spawn_symbols.ts";
import { spawn, type SpawnPlan } from "../../ffi/spawn.ts";
import { OwnedFd, PidFd, SyscallError, UnsupportedError } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { setErrno } from "../support/errno.ts";
import { isCloseOnExec, openFile } from "../support/fds.ts";
import { openFds } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { childrenOf } from "../support/trees.ts";

const NOTHING: SpawnPlan["fds"] = new Map([[0, "null"], [1, "null"], [2, "null"]]);

/** A plan for a shell's command. */
function plan(command: string, more: Partial<SpawnPlan> = {}): SpawnPlan {
  const argv = ["sh", "-c", command];
  return { path: "/bin/sh", argv, envp: [], fds: NOTHING, session: false, ...more };
}

/** Starts a process and returns its exit code. */
function exitCodeOf(plan: SpawnPlan): number {
  using pidfd = PidFd.fromFd(spawn(plan));
  return pidfd.waitSync({ reap: true }).code;
}

/** Starts a shell's command and returns what it prints. */
function outputOf(command: string, more: Partial<SpawnPlan> = {}): string {
  const { read, write } = pipe();
  using input = new OwnedFd(read);
  using output = new OwnedFd(write);
  const fds = new Map([...NOTHING, ...more.fds ?? [], [1, output.fd]]);
  using pidfd = PidFd.fromFd(spawn(plan(command, { ...more, fds })));
  output.close();
  const text = new TextDecoder().decode(readAll(input.fd));
  assertEquals(pidfd.waitSync({ reap: true }).code, 0);
  return text;
}

type SpawnFunction = keyof ReturnType<typeof spawnLibc>;

/** Has libc be without a function until the end of the block. */
function withoutFunction(name: SpawnFunction): Disposable {
  return shadow(spawnLibc() as Record<string, unknown>, name, () => null);
}

/** Has a function of libc fail until the end of the block. */
function failing(name: SpawnFunction | keyof Libc, result: number, errno = result): Disposable {
  const functions: Record<string, unknown> = name in spawnLibc() ? spawnLibc() : libc();
  return shadow(functions, name, () => () => {
    setErrno(errno);
    return result;
  });
}

Deno.test("spawn() returns the pidfd of a child, which is close-on-exec, and opens nothing else", () => {
  const before = openFds();
  using pidfd = PidFd.fromFd(spawn(plan("exit 7")));
  assertEquals(openFds(), [...before, String(pidfd.fd)].sort());
  assertEquals([pidfd.getPpid(), isCloseOnExec(pidfd.fd)], [Deno.pid, true]);
  assertEquals(pidfd.waitSync({ reap: true }).code, 7);
});

Deno.test("spawn() returns a pidfd that is close-on-exec from the beginning", () => {
  const fd = spawn(plan("exit 7"));
  assertEquals(isCloseOnExec(fd), true);
  using pidfd = PidFd.fromFd(fd);
  assertEquals(pidfd.waitSync({ reap: true }).code, 7);
});

Deno.test("spawn() gives the child its arguments, environment and folder", () => {
  const envp = ["A=1", "B=", "C=ä=b"];
  const more = { envp, cwd: "/usr" };
  assertEquals(
    outputOf("tr '\\0' '\\n' < /proc/$$/environ; pwd", more),
    `${envp.join("\n")}\n/usr\n`,
  );
  const argv = ["a name", "-c", 'echo "$0" "$#"', "x", "", "ä b"];
  assertEquals(outputOf("", { argv }), "x 2\n");
});

Deno.test("spawn() asks libc for a pidfd where libc can give one", () => {
  using calls = watchCalls();
  const fd = spawn(plan("exit 7"));
  const names = calls.names.filter((name) => /spawn$|pidfd_open/.test(name));
  assertEquals(
    names,
    pidfdSpawn.available ? ["pidfd_spawn"] : ["posix_spawn", "syscall_pidfd_open"],
  );
  using pidfd = PidFd.fromFd(fd);
  pidfd.waitSync({ reap: true });
});

Deno.test("spawn() does without pidfd_spawn where libc or the kernel is too old for it", () => {
  {
    using _libc = withoutFunction("pidfd_spawn");
    assertEquals(exitCodeOf(plan("exit 7")), 7);
  }
  using _kernel = failing("pidfd_spawn", Errno.ENOSYS);
  assertEquals(exitCodeOf(plan("exit 8")), 8);
});

Deno.test("spawn() doesn't try again what pidfd_spawn refuses", () => {
  using _refusing = failing("pidfd_spawn", Errno.EACCES);
  using calls = watchCalls();
  const { code, syscall, message } = assertThrows(() => spawn(plan("exit 7")), SyscallError);
  assertEquals([code, syscall], ["EACCES", "pidfd_spawn"]);
  assertStringIncludes(message, "/bin/sh");
  assertEquals(calls.names.includes("posix_spawn"), false);
});

Deno.test("spawn() knows what an older libc calls EPERM, whatever it was", () => {
  using _older = withoutFunction("pidfd_spawn");
  using _refusing = failing("posix_spawn", Errno.EPERM, Errno.EAGAIN);
  const { code, syscall } = assertThrows(() => spawn(plan("exit 7")), SyscallError);
  assertEquals([code, syscall], ["EAGAIN", "posix_spawn"]);
});

Deno.test("spawn() lets no child live that it can't hold", () => {
  const before = { children: childrenOf(Deno.pid), fds: openFds() };
  using _older = withoutFunction("pidfd_spawn");
  {
    using _refusing = failing("syscall_pidfd_open", -1, Errno.EPERM);
    const { code, syscall } = assertThrows(() => spawn(plan("exec sleep 60")), SyscallError);
    assertEquals([code, syscall], ["EPERM", "pidfd_open"]);
  }
  assertEquals({ children: childrenOf(Deno.pid), fds: openFds() }, before);
});

Deno.test("spawn() doesn't wait for a child that it can neither hold nor end", () => {
  const before = childrenOf(Deno.pid);
  using _older = withoutFunction("pidfd_spawn");
  {
    using _refusing = failing("syscall_pidfd_open", -1, Errno.EPERM);
    using _powerless = failing("kill", -1, Errno.EPERM);
    assertThrows(() => spawn(plan("exec sleep 60")), SyscallError, "pidfd_open: EPERM");
  }
  const [pid] = childrenOf(Deno.pid).filter((pid) => !before.includes(pid));
  using pidfd = PidFd.fromPid(pid);
  assertEquals(pidfd.isAlive(), true);
  pidfd.kill();
  pidfd.waitSync({ reap: true });
});

for (const isOld of [false, true]) {
  const libcs = isOld ? "before glibc 2.34" : "with this libc";
  Deno.test(`spawn() closes in the child all that it isn't to have, ${libcs}`, () => {
    using stack = new DisposableStack();
    if (isOld) stack.use(withoutFunction("posix_spawn_file_actions_addclosefrom_np"));
    const fds = Array.from({ length: 6 }, () => stack.use(PidFd.fromSelf()));
    for (const fd of fds) fd.setCloseOnExec(false);
    const numbers = fds.map(({ fd }) => fd);
    const command = `for fd in ${
      numbers.join(" ")
    }; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :`;
    const kept = [numbers[1], numbers[4]];
    assertEquals(outputOf(command), "");
    const plan = { fds: new Map(kept.map((fd) => [fd, fd])) };
    assertEquals(outputOf(command, plan), `${kept.join("\n")}\n`);
  });
}

Deno.test("spawn() needs glibc 2.29 for another folder, and for nothing else", () => {
  using _older = withoutFunction("posix_spawn_file_actions_addchdir_np");
  const before = { children: childrenOf(Deno.pid), fds: openFds() };
  const start = () => spawn(plan("exit 7", { cwd: "/" }));
  assertEquals(assertThrows(start, UnsupportedError).since, "glibc 2.29");
  assertEquals({ children: childrenOf(Deno.pid), fds: openFds() }, before);
  assertEquals(exitCodeOf(plan("exit 7")), 7);
});

Deno.test("spawn() needs glibc 2.39 for a cgroup", () => {
  using _older = without(cgroupSpawn);
  using folder = new OwnedFd(openFile("/"));
  const start = () => spawn(plan("exit 7", { cgroup: folder.fd }));
  assertEquals(assertThrows(start, UnsupportedError).since, "glibc 2.39 and Linux 5.7");
});

const STEPS = [
  "posix_spawn_file_actions_init",
  "posix_spawn_file_actions_addopen",
  "posix_spawn_file_actions_adddup2",
  "posix_spawn_file_actions_addchdir_np",
  "posix_spawnattr_init",
  "posix_spawnattr_setsigdefault",
  "posix_spawnattr_setsigmask",
  "posix_spawnattr_setpgroup",
  "posix_spawnattr_setflags",
] as const;

for (const step of STEPS) {
  Deno.test(`spawn() frees what it has made when ${step}() fails`, () => {
    using _failing = failing(step, Errno.ENOMEM);
    using calls = watchCalls();
    const fds = new Map([...NOTHING, [3, 2]]);
    const start = () => spawn(plan("exit 7", { fds, cwd: "/", processGroup: 0 }));
    const { code, message } = assertThrows(start, SyscallError);
    assertEquals(code, "ENOMEM");
    assertStringIncludes(step, message.split(":")[0]);
    for (const kind of ["posix_spawn_file_actions", "posix_spawnattr"]) {
      const made = calls.names.includes(`${kind}_init`) && step !== `${kind}_init`;
      assertEquals(calls.names.includes(`${kind}_destroy`), made, kind);
    }
    assertEquals(calls.names.some((name) => /^(posix|pidfd)_spawn$/.test(name)), false);
  });
}

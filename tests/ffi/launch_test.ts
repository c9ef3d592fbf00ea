/**
 * Starting a process: how it is born, on kernels and in sandboxes of all kinds, and what is left of
 * it if a step fails.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { launcherCode, sharedOutcome } from "../../ffi/executable.ts";
import { type Launch, launch } from "../../ffi/launch.ts";
import { launcherLibc } from "../../ffi/launcher_symbols.ts";
import * as steps from "../../ffi/steps.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { isRoot, openFds, zombies } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { childrenOf } from "../support/trees.ts";

function shell(command: string, ...before: steps.Step[]): Launch {
  const execute = steps.execve("/bin/sh", ["sh", "-c", command], steps.stringVector([], "env"));
  return { steps: [...before, steps.unblockSignals(), execute], changesUser: false };
}

function exitCodeOf(plan: Launch): number {
  using pidfd = PidFd.fromFd(launch(plan).pidfd);
  return pidfd.waitSync({ reap: true }).code;
}

function state() {
  return { fds: openFds(), children: childrenOf(Deno.pid), zombies: zombies() };
}

Deno.test("launch() returns the pidfd of a child, which is close-on-exec, and opens nothing else", () => {
  exitCodeOf(shell("exit 7"));
  const before = openFds();
  const { pidfd: fd } = launch(shell("exit 7"));
  assertEquals(isCloseOnExec(fd), true);
  using pidfd = PidFd.fromFd(fd);
  assertEquals(openFds(), [...before, String(pidfd.fd)].sort());
  assertEquals(pidfd.getPpid(), Deno.pid);
  assertEquals(pidfd.waitSync({ reap: true }).code, 7);
});

for (const changesUser of [false, true]) {
  const memory = changesUser ? "a copy of this program's memory" : "this program's memory";
  Deno.test(`launch() says which step failed of a child with ${memory}, and leaves nothing`, () => {
    assertEquals(exitCodeOf({ ...shell("exit 7"), changesUser }), 7);
    const before = state();
    const failing: [steps.Step, string, string][] = [
      [steps.chdir("/nope"), "ENOENT", "chdir: ENOENT: No such file or directory (/nope)"],
      [
        steps.dup3(999_999, 3),
        "EBADF",
        "dup3: EBADF: Bad file descriptor (fd 999999 as fd 3)",
      ],
      [steps.requireParent(1), "ESRCH", "getppid: ESRCH: No such process"],
    ];
    for (const [step, code, message] of failing) {
      // What was done before counts for nothing, and what comes behind is not done.
      const plan = shell("exit 7", steps.umask(0o22), step, steps.exitGroup(9));
      const error = assertThrows(() => launch({ ...plan, changesUser }), SyscallError);
      assertEquals([error.code, error.syscall], [code, step.call]);
      assertStringIncludes(error.message, message);
    }
    const none = steps.execve("/none", ["none"], steps.stringVector([], "env"));
    const { message } = assertThrows(
      () => launch({ steps: [none], changesUser }),
      SyscallError,
    );
    assertEquals(message, "execve: ENOENT: No such file or directory (/none)");
    assertEquals(state(), before);
    assertEquals(exitCodeOf({ ...shell("exit 7"), changesUser }), 7);
  });
}

Deno.test("launch() goes on behind a step that may fail", () => {
  assertEquals(exitCodeOf(shell("exit 7", { ...steps.chdir("/nope"), passes: "any" })), 7);
});

Deno.test("launch() takes thousands of steps", () => {
  const many = Array.from({ length: 3000 }, () => steps.umask(0o22));
  assertEquals(exitCodeOf(shell("exit 7", ...many)), 7);
  const { message } = assertThrows(
    () => launch(shell("exit 7", ...many, steps.chdir("/nope"))),
    SyscallError,
  );
  assertStringIncludes(message, "/nope");
});

Deno.test("launch() ends a child whose steps have no end, and takes none of another child's", () => {
  const before = state();
  for (const changesUser of [false, true]) {
    for (const list of [[], [steps.umask(0o22)]]) {
      assertEquals(exitCodeOf(shell("exit 7", steps.umask(0o22), steps.umask(0o22))), 7);
      assertThrows(() => launch({ steps: list, changesUser }), Error, "must end in an execution");
    }
  }
  assertEquals(state(), before);
});

Deno.test("launch() has what it points to in its place while the garbage collector works", () => {
  const libc = launcherLibc();
  const { bsearch } = libc;
  // Between the writing of a job and its being read.
  using _collecting = shadow(libc, "bsearch", () => (...args) => {
    gc();
    // What would be freed gets another content.
    Array.from({ length: 100 }, (_, i) => new Uint8Array(100 * i).fill(0xff));
    bsearch(...args);
  });
  for (let i = 0; i < 20; i++) {
    const text = "x".repeat(i * 100);
    const execute = steps.execve(
      "/bin/sh",
      ["sh", "-c", `[ "$0" = "${text}" ] && [ "$A" = "${text}" ]`, text],
      steps.stringVector([`A=${text}`], "env"),
    );
    const limit = steps.prlimit({ name: "core", soft: 0, hard: 0 });
    assertEquals(exitCodeOf({ steps: [limit, execute], changesUser: i % 2 === 0 }), 0);
  }
});

/** This thread's signal mask, and the program's other attributes that a child must not change. */
function attributes(): string[] {
  const status = Deno.readTextFileSync("/proc/thread-self/status");
  return status.match(/^(Sig(Blk|Ign|Cgt)|Uid|Gid|Groups|Umask|NoNewPrivs|Cap\w+):.*$/gm)!;
}

Deno.test("launch() leaves this program as it was, whichever step fails", () => {
  const all = () => [
    steps.umask(0o77),
    steps.setpriority(10),
    steps.prlimit({ name: "core", soft: 0, hard: 0 }),
    steps.setgroups([], { isOptional: true }),
    ...isRoot ? [steps.setresgid(65534), steps.setresuid(65534)] : [],
    steps.setParentDeathSignal(9),
    steps.setNoNewPrivileges(),
    steps.setsid(),
    steps.chdir("/"),
    steps.unblockSignals(),
  ];
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const before = [attributes(), limits, Deno.cwd(), dumpable()];
  for (let i = 0; i <= all().length; i++) {
    const plan = { steps: [...all().slice(0, i), steps.chdir("/nope")], changesUser: isRoot };
    assertThrows(() => launch(plan), SyscallError, "/nope");
    const now = [attributes(), Deno.readTextFileSync("/proc/self/limits"), Deno.cwd(), dumpable()];
    assertEquals(now, before);
  }
});

const libc = Deno.dlopen("libc.so.6", {
  // int prctl(int op, ...);
  prctl: { parameters: ["i32"], result: "i32" },
});
const PR_GET_DUMPABLE = 3;

/** Whether other processes of this user may look into this program. PR_GET_DUMPABLE(2const) */
function dumpable(): number {
  return libc.symbols.prctl(PR_GET_DUMPABLE);
}

/** How the memory at an address is mapped: "r-xp". proc_pid_maps(5) */
function protection(address: bigint): string | undefined {
  for (const line of Deno.readTextFileSync("/proc/self/maps").split("\n")) {
    const [, from, to, mode] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? [];
    if (from && BigInt(`0x${from}`) <= address && address < BigInt(`0x${to}`)) return mode;
  }
}

Deno.test("launch() has its code in memory that can't be written, and its word in other memory", () => {
  exitCodeOf(shell("exit 7"));
  exitCodeOf({ ...shell("exit 7"), changesUser: true });
  assertEquals(protection(launcherCode()), "r-xp");
  assertEquals(protection(sharedOutcome()), "rw-s");
});

declare const gc: () => void;

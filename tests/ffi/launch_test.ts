/**
 * Starting a process: how it is born, on kernels and in sandboxes of all kinds, and what is left of
 * it if a step fails.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { launcherCode, sharedOutcome } from "../../ffi/executable.ts";
import { type Launch, launch } from "../../ffi/launch.ts";
import { launcherLibc } from "../../ffi/launcher_symbols.ts";
import * as steps from "../../ffi/steps.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { isRoot, openFds, ROOT, runForValue, zombies } from "../support/processes.ts";
import type { Call } from "../support/seccomp.ts";
import { shadow } from "../support/shadow.ts";
import { canFilter, needing } from "../support/skip.ts";
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

Deno.test("launch() starts nothing if memory can't be made executable", async () => {
  const facts = await runForValue(
    `
    import { launcherLibc } from "${ROOT}ffi/launcher_symbols.ts";
    import { spawn } from "@pidfd/util";
    import { setErrno } from "${ROOT}tests/support/errno.ts";
    import { shadow } from "${ROOT}tests/support/shadow.ts";
    import { childrenOf } from "${ROOT}tests/support/trees.ts";

    const refusing = (name, result, errno) => shadow(launcherLibc(), name, () => () => {
      setErrno(errno);
      return result;
    });
    const facts = [];
    const refusals = [["mmap", 2n ** 64n - 1n, 0], ["mprotect", -1, 12], ["mprotect", -1, 13]];
    for (const [name, result, errno] of refusals) {
      using _ = refusing(name, result, errno);
      try {
        spawn("true");
      } catch (error) {
        facts.push([error.name, error.syscall, error.message]);
      }
    }
    facts.push(childrenOf(Deno.pid));
    facts.push((await spawn("true").status).code);
    console.log(JSON.stringify(facts));
  `,
    ["--allow-all"],
  );
  assertEquals(facts, [
    ["SyscallError", "mmap", "Failed to spawn 'true': mmap: ENOMEM: Cannot allocate memory"],
    [
      "SyscallError",
      "mprotect",
      "Failed to spawn 'true': mprotect: ENOMEM: Cannot allocate memory",
    ],
    [
      "UnsupportedError",
      null,
      "executable memory is not available here: it needs a system that lets this program make memory " +
      "executable; the kernel refused it with EACCES, and nothing was started",
    ],
    [],
    0,
  ]);
});

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

/**
 * What becomes of starts in a program where some calls are refused. It makes no thread from there
 * on: without clone3, libc has another way only where that is ENOSYS.
 */
function startWithout(calls: readonly Call[], errno: number): Promise<unknown> {
  return runForValue(
    `
    import { PidFd } from "@pidfd/util";
    import { startPlanned } from "${ROOT}tests/support/plans.ts";
    import { forbid } from "${ROOT}tests/support/seccomp.ts";
    import { childrenOf } from "${ROOT}tests/support/trees.ts";

    const file = Deno.makeTempFileSync();
    const count = "$(grep -cE '^Sig(Blk|Ign):.0+$' /proc/self/status)";
    const command = 'echo ran >> ' + file + '; [ "' + count + '" = 2 ] && exit 7';
    forbid(${JSON.stringify(calls)}, ${errno});
    const found = [];
    for (let i = 0; i < 3; i++) {
      try {
        using pidfd = PidFd.fromFd(startPlanned(command));
        found.push(pidfd.waitSync({ reap: true }).code);
      } catch (error) {
        found.push([error.name, error.feature ?? error.message]);
      }
    }
    const ran = Deno.readTextFileSync(file).length / "ran\\n".length;
    Deno.removeSync(file);
    console.log(JSON.stringify({ found, ran, children: childrenOf(Deno.pid) }));
    Deno.exit();
  `,
    ["--allow-all"],
  );
}

Deno.test({
  ...needing("seccomp", canFilter(), "spawn() says what a call was for that there isn't"),
  async fn() {
    const messages = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      import { forbid } from "${ROOT}tests/support/seccomp.ts";

      forbid(["prctl"], ${Errno.ENOSYS});
      const messages = [{ noNewPrivileges: true }, { parentDeathSignal: "SIGTERM" }].map((options) => {
        try {
          return String(spawn("true", options).pid);
        } catch (error) {
          return error.name + ": " + error.message;
        }
      });
      console.log(JSON.stringify(messages));
      Deno.exit();
    `,
      ["--allow-all"],
    );
    const missing =
      "UnsupportedError: prctl is not available here: it needs a kernel or a sandbox " +
      "that allows it; nothing was started";
    assertEquals(messages, [`${missing} (noNewPrivileges)`, `${missing} (parentDeathSignal)`]);
  },
});

for (const answer of ["EPERM", "ENOSYS"] as const) {
  Deno.test({
    ...needing(
      "seccomp",
      canFilter(),
      `spawn() does without clone3 where a sandbox says ${answer}`,
    ),
    async fn() {
      assertEquals(await startWithout(["clone3"], Errno[answer]), {
        found: [7, 7, 7],
        ran: 3,
        children: [],
      });
    },
  });

  Deno.test({
    ...needing(
      "seccomp",
      canFilter(),
      `spawn() starts nothing where a sandbox says ${answer} to clone3 and to clone`,
    ),
    async fn() {
      const refused = ["UnsupportedError", "clone3 or clone with CLONE_PIDFD"];
      assertEquals(await startWithout(["clone3", "clone(CLONE_VFORK)"], Errno[answer]), {
        found: [refused, refused, refused],
        ran: 0,
        children: [],
      });
    },
  });

  Deno.test({
    ...needing("seccomp", canFilter(), `spawn() needs no pidfd_open: a sandbox says ${answer}`),
    async fn() {
      assertEquals(await startWithout(["pidfd_open"], Errno[answer]), {
        found: [7, 7, 7],
        ran: 3,
        children: [],
      });
    },
  });

  Deno.test({
    ...needing(
      "seccomp",
      canFilter(),
      `spawn() closes descriptors one by one where a sandbox says ${answer} to close_range`,
    ),
    async fn() {
      const fds = await runForValue(
        `
        import { PidFd, spawn } from "@pidfd/util";
        import { forbid } from "${ROOT}tests/support/seccomp.ts";

        const handles = Array.from({ length: 6 }, () => PidFd.fromSelf());
        for (const handle of handles) handle.setCloseOnExec(false);
        forbid(["close_range"], ${Errno[answer]});
        const numbers = [3, 7, ...handles.map(({ fd }) => fd)];
        const command = "for fd; do [ -e /proc/$$/fd/$fd ] && echo $fd; done";
        const found = [];
        for (let i = 0; i < 2; i++) {
          const options = { fds: { 7: handles[1] }, stdout: "piped" };
          const child = spawn("/bin/sh", ["-c", command, "sh", ...numbers.map(String)], options);
          found.push((await child.stdout.text()).trim());
        }
        console.log(JSON.stringify(found));
        Deno.exit();
      `,
        ["--allow-all"],
      );
      assertEquals(fds, ["7", "7"]);
    },
  });
}

Deno.test("launch() passes on what a birth fails with, if that says nothing of the kernel", async () => {
  // The limit of processes doesn't hold for root.
  const { code, errno } = await runForValue(
    `
    import { launch } from "${ROOT}ffi/launch.ts";
import * as steps from "${ROOT}ffi/steps.ts";
    import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";

    const plan = { steps: [steps.exitGroup(0)], changesUser: false };
    launch(plan);
    takeAll();
    try {
      launch(plan);
    } catch ({ code, errno, message }) {
      giveBack(5);
      console.log(JSON.stringify({ code, errno, message }));
    }
    Deno.exit();
  `,
    ["--allow-all"],
  ) as { code: string; errno: number };
  assertEquals({ code, errno }, { code: "EMFILE", errno: Errno.EMFILE });
});

declare const gc: () => void;

/**
 * Starting a process where a kernel or a sandbox refuses what that takes. It is done in another way, or
 * the error says what is missing and nothing has run.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { ROOT, runForValue } from "../support/processes.ts";
import type { Call } from "../support/seccomp.ts";
import { canFilter, needing } from "../support/skip.ts";

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

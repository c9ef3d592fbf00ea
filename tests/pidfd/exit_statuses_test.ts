/**
 * Every way that a process can end, seen from each place where a status comes from: a child's
 * zombie, the kernel's memory of a process that was reaped, and the child of a `spawn`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { type ExitStatus, PidFd, spawn } from "../../mod.ts";
import { startShell, startUnreaped } from "../support/children.ts";
import { eventually, PATIENCE, readStat } from "../support/processes.ts";
import { ended, exited, killed } from "../support/statuses.ts";
import { needing } from "../support/skip.ts";

interface Ending {
  readonly command: string;
  readonly status: ExitStatus;
  /** What it needs, and whether that is there. */
  readonly needs?: readonly [string, boolean];
}

const ENDINGS: readonly Ending[] = [
  { command: "true", status: exited(0) },
  { command: "false", status: exited(1) },
  { command: "exit 7", status: exited(7) },
  { command: "exit 137", status: exited(137) },
  { command: "kill -9 $$", status: killed(9, "SIGKILL") },
  { command: "kill -15 $$", status: killed(15, "SIGTERM") },
  { command: "kill -40 $$", status: killed(40, null) },
  {
    command: "ulimit -c unlimited; kill -11 $$",
    status: killed(11, "SIGSEGV", true),
    needs: ["core dumps that are allowed, in the working directory or a pipe", canDumpCore()],
  },
];

/** Each way to ask a handle, brought into the same form. */
const QUESTIONS: Record<string, (pidfd: PidFd) => Promise<ExitStatus | null>> = {
  wait: (pidfd) => deadline(pidfd.wait(), PATIENCE),
  waitSync: (pidfd) => Promise.resolve(pidfd.waitSync({ timeout: PATIENCE })),
  async tryWait(pidfd) {
    await eventually("the process ended", () => !pidfd.isAlive());
    return pidfd.tryWait();
  },
};

for (const { command, status, needs } of ENDINGS) {
  for (const [name, ask] of Object.entries(QUESTIONS)) {
    const [what, isThere] = needs ?? ["nothing", true];

    Deno.test(
      needing(what, isThere, `PidFd.${name}() tells of the zombie of \`${command}\`, twice`),
      async () => {
        const cwd = await Deno.makeTempDir();
        try {
          using child = startUnreaped(command, cwd);
          assertEquals(ended(await ask(child.pidfd)), status);
          assertEquals(ended(await ask(child.pidfd)), status);
        } finally {
          await Deno.remove(cwd, { recursive: true });
        }
      },
    );

    Deno.test(
      needing(
        isThere ? "Linux 6.15" : what,
        isThere && exitInfo.available !== false,
        `PidFd.${name}() tells of \`${command}\` after it was reaped, twice`,
      ),
      async () => {
        const cwd = await Deno.makeTempDir();
        try {
          using child = startUnreaped(command, cwd);
          using owner = PidFd.fromPid(child.pid);
          owner.waitSync({ reap: true });
          assertEquals(readStat(child.pid), null);
          assertEquals(ended(await ask(child.pidfd)), status);
          assertEquals(ended(await ask(child.pidfd)), status);
        } finally {
          await Deno.remove(cwd, { recursive: true });
        }
      },
    );

    Deno.test(
      needing(what, isThere, `PidFd.${name}() tells of \`${command}\` on a child of spawn, twice`),
      async () => {
        const cwd = await Deno.makeTempDir();
        try {
          const child = spawn("sh", { args: ["-c", command], cwd });
          using pidfd = child.pidfd;
          assertEquals(ended(await ask(pidfd)), status);
          assertEquals(ended(await child.status), status);
          assertEquals(ended(await ask(pidfd)), status);
        } finally {
          await Deno.remove(cwd, { recursive: true });
        }
      },
    );
  }
}

Deno.test("ExitStatus can stand where a Deno.CommandStatus is expected", async () => {
  const child = startShell("exit 7");
  using pidfd = PidFd.fromChild(child);
  const status: Deno.CommandStatus = await deadline(pidfd.wait(), PATIENCE);
  const { success, code, signal } = status;
  assertEquals({ success, code, signal }, { ...await child.status });
});

/** Whether a child's core dump is possible and leaves nothing outside its own folder. */
function canDumpCore(): boolean {
  const [, limit] = Deno.readTextFileSync("/proc/self/limits")
    .match(/^Max core file size\s+\S+\s+(\S+)/m)!;
  const pattern = Deno.readTextFileSync("/proc/sys/kernel/core_pattern");
  return limit === "unlimited" && !pattern.startsWith("/");
}

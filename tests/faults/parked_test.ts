/**
 * The one call that is made on another thread: it returns early, it fails each time, it is
 * forbidden. What it says of why is nothing that one can rely on there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Errno, type ErrnoName } from "../../ffi/errno.ts";
import { startTalking, type TalkingChild } from "../support/children.ts";
import { ERRORS } from "../support/faults/errors.ts";
import { attach, canTrace } from "../support/faults/tracer.ts";
import { eventually, readStat, ROOT } from "../support/processes.ts";
import { canFilter, needing } from "../support/skip.ts";
import { exited } from "../support/statuses.ts";

const WAITING = `${ROOT}tests/support/faults/waiting.ts`;
const IMPORT_MAP = `${ROOT}tests/std/import_map.json`;

const SEVEN = { value: exited(7) };

/** Starts a program that waits for a child, and that ends it when it gets a line. */
function startWaiting(...args: string[]): TalkingChild {
  const flags = ["run", "--allow-all", "--no-check", "--import-map", IMPORT_MAP];
  return startTalking(Deno.execPath(), [...flags, WAITING, ...args]);
}

async function says(program: TalkingChild, expected: unknown): Promise<void> {
  assertEquals(JSON.parse(await program.line()), expected);
}

/** The threads of a program but for the main one. */
function otherThreads(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)]
    .map(({ name }) => Number(name))
    .filter((thread) => thread !== pid);
}

for (const errno of ["EINTR", "ENOSYS", "EPERM", ...ERRORS.epoll_wait] as const) {
  Deno.test(
    needing("strace", canTrace, `PidFd.wait() tells the status if its parked call gets ${errno}`),
    async () => {
      await using program = startWaiting();
      await says(program, "waiting");
      const call = Deno.build.arch === "x86_64" ? "epoll_wait" : "epoll_pwait";
      const tracer = await attach(otherThreads(program.child.pid), { call, errno, when: "1+" });
      await eventually("the call fails", () => tracer.text().includes("INJECTED"));
      await program.say("");
      await says(program, SEVEN);
      await tracer.detach();
      await says(program, []);
    },
  );
}

Deno.test("PidFd.wait() tells the status of a program that was stopped meanwhile", async () => {
  await using program = startWaiting();
  await says(program, "waiting");
  const { pid } = program.child;
  for (let i = 0; i < 3; i++) {
    program.child.kill("SIGSTOP");
    await eventually("it has stopped", () => readStat(pid)?.state === "T");
    program.child.kill("SIGCONT");
    await eventually("it goes on", () => readStat(pid)?.state !== "T");
  }
  await program.say("");
  await says(program, SEVEN);
  await says(program, []);
});

for (const errno of ["EPERM", "ENOSYS"] satisfies ErrnoName[]) {
  Deno.test(
    needing(
      "seccomp",
      canFilter(),
      `PidFd.wait() rejects if a sandbox answers ${errno} to epoll_wait`,
    ),
    async () => {
      await using program = startWaiting(errno);
      const { error } = JSON.parse(await program.line());
      assert(error.message.startsWith("epoll_wait"), error.message);
      if (errno === "EPERM") assertEquals(error.errno, Errno.EPERM);
      await says(program, []);
    },
  );
}

/**
 * Ending a process that isn't to be ended after all, can't be, or was never meant.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, PidFd, spawn } from "../../mod.ts";
import { TOLD } from "../support/exit_info.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import {
  idle,
  isRoot,
  openFds,
  PATIENCE,
  runForValue,
  startStranger,
} from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { needing } from "../support/skip.ts";

/** Starts a shell that ignores SIGTERM, and exits with 7 when its input ends. */
async function startDeaf(): Promise<Child> {
  const child = spawn("sh", {
    args: ["-c", "trap '' TERM; echo; read _; exit 7"],
    stdin: "piped",
    stdout: "piped",
  });
  await deadline(child.stdout.getReader().read(), PATIENCE);
  return child;
}

Deno.test("PidFd.terminate() sends nothing if it was aborted before", async () => {
  await using child = spawn("sleep", { args: ["60"] });
  const reason = new Error("not any more");
  const abort = AbortSignal.abort(reason);
  const error = await assertRejects(() => child.pidfd.terminate({ abort, grace: 0 }));
  assertStrictEquals(error, reason);
  assertEquals(child.pidfd.isAlive(), true);
  child.kill("SIGUSR1");
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGUSR1");
});

Deno.test("PidFd.terminate() that is aborted during the grace doesn't kill", async () => {
  await using child = await startDeaf();
  const controller = new AbortController();
  const reason = new Error("not any more");
  const terminated = child.pidfd.terminate({ abort: controller.signal, grace: 60_000 });
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => deadline(terminated, PATIENCE)), reason);
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  await idle();
});

const AFTER_THE_END = "PidFd.terminate() that is aborted after the process's end rejects by that";
Deno.test(needing(...TOLD, AFTER_THE_END), async () => {
  await using stranger = await startStranger("exec sleep 60");
  using pidfd = PidFd.fromPid(stranger.pid);
  const controller = new AbortController();
  const terminated = pidfd.terminate({ abort: controller.signal });
  // It has ended, but nobody will say how before its parent has reaped it.
  await deadline(pidfd.exited(), PATIENCE);
  await nextTurn();
  assertEquals(await isPending(terminated), true);
  controller.abort("enough");
  assertEquals(await deadline(terminated.catch((reason) => reason), PATIENCE), "enough");
  await idle();
});

Deno.test("PidFd.terminate() rejects when the handle is closed meanwhile, and doesn't kill", async () => {
  await using child = await startDeaf();
  using handle = child.pidfd.clone();
  const terminated = handle.terminate({ grace: 60_000 });
  handle.close();
  await assertRejects(() => deadline(terminated, PATIENCE), Deno.errors.BadResource);
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
});

Deno.test("PidFd.terminate() rejects on a closed handle", async () => {
  const closed = PidFd.fromSelf();
  closed.close();
  await assertRejects(() => closed.terminate(), Deno.errors.BadResource);
});

const BAD_OPTIONS: readonly [typeof TypeError | typeof RangeError, Record<string, unknown>][] = [
  [RangeError, { signal: "SIGNONE" }],
  [RangeError, { signal: 65 }],
  [RangeError, { signal: -1 }],
  [TypeError, { signal: null }],
  [RangeError, { grace: -1 }],
  [RangeError, { grace: NaN }],
  [TypeError, { grace: "1" }],
  [TypeError, { abort: {} }],
  [TypeError, { abort: "now" }],
];

Deno.test("PidFd.terminate() refuses options that can't be meant, and sends nothing", async () => {
  await using child = spawn("sleep", { args: ["60"] });
  for (const [type, options] of BAD_OPTIONS) {
    const error = await assertRejects(() => child.pidfd.terminate(options), type);
    assertStringIncludes(error.message, `options.${Object.keys(options)[0]} must be`);
  }
  assertEquals(child.pidfd.isAlive(), true);
  child.kill("SIGUSR1");
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGUSR1");
});

const withoutKill = withoutCapability("kill");
const hasForeigner = isRoot ? works(withoutKill) : Deno.statSync("/proc/1").uid !== Deno.uid();

Deno.test({
  ...needing(
    "setpriv or a process of another user",
    hasForeigner,
    "PidFd.terminate() rejects with EPERM for another user's process",
  ),
  async fn() {
    const args = ["--reuid=65534", "--clear-groups", "sh", "-c", "echo; read _"];
    await using foreigner = isRoot
      ? spawn("setpriv", { args, stdin: "piped", stdout: "piped" })
      : null;
    if (foreigner) await deadline(foreigner.stdout.getReader().read(), PATIENCE);
    const program = `
      import { PidFd } from "@pidfd/util";
      using pidfd = PidFd.fromPid(${foreigner?.pid ?? 1});
      const refusal = await pidfd.terminate({ grace: 0 }).catch(({ code, message }) => message);
      console.log(JSON.stringify([refusal, pidfd.isAlive()]));
    `;
    assertEquals(await runForValue(program, ["--allow-ffi"], withoutKill), [
      "pidfd_send_signal: EPERM: Operation not permitted (the process belongs to another user)",
      true,
    ]);
  },
});

Deno.test("PidFd.terminate() doesn't keep the program from its end once it was aborted", async () => {
  await using stranger = await startStranger("trap '' TERM; while :; do sleep 0.01; done");
  const program = `
    import { PidFd } from "@pidfd/util";
    const controller = new AbortController();
    const pidfd = PidFd.fromPid(${stranger.pid});
    const terminated = pidfd.terminate({ grace: 3_600_000, abort: controller.signal });
    setTimeout(() => controller.abort("enough"));
    console.log(JSON.stringify(await terminated.catch((reason) => reason)));
  `;
  assertEquals(await runForValue(program), "enough");
});

Deno.test("PidFd.terminate() leaves no fd behind", async () => {
  await idle();
  const before = openFds();
  for (const grace of [0, 5_000]) {
    const child = spawn("sleep", { args: ["60"] });
    using pidfd = child.pidfd;
    await deadline(Promise.all([pidfd.terminate({ grace }), child.status]), PATIENCE);
  }
  await idle();
  assertEquals(openFds(), before);
});

/**
 * The `signal` option: an abort ends the child, gently first.
 *
 * @module
 */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { spawn } from "../../mod.ts";
import { leavesNothing } from "../support/commands.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { idle, isRoot, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { ended, killed } from "../support/statuses.ts";
import { needing } from "../support/skip.ts";

Deno.test("spawn() ends the child when its signal aborts, as Deno does", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const theirs = new Deno.Command("sleep", { args: ["60"], signal }).spawn();
  const ours = spawn("sleep", { args: ["60"], signal });
  controller.abort();
  const [{ signal: expected }, status] = await deadline(
    Promise.all([theirs.status, ours.status]),
    PATIENCE,
  );
  assertEquals(ended(status), killed(15, expected));
  await idle();
});

Deno.test("spawn() leaves it to the child how to end when its signal aborts", async () => {
  const controller = new AbortController();
  const child = spawn("sh", {
    args: ["-c", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done"],
    stdout: "piped",
    signal: controller.signal,
  });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await deadline(reader.read(), PATIENCE)).value, "ready\n");
  controller.abort();
  assertEquals((await deadline(reader.read(), PATIENCE)).value, "bye\n");
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  await reader.cancel();
  await idle();
});

Deno.test("spawn() ends a stopped child when its signal aborts", async () => {
  const controller = new AbortController();
  const child = spawn("sleep", { args: ["60"], signal: controller.signal });
  child.kill("SIGSTOP");
  controller.abort();
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGTERM");
  await idle();
});

Deno.test("spawn() kills a child that ignores what its signal's abort asks for", async () => {
  // Nobody waits for so long in a test: the program has a clock of its own.
  const facts = await runForValue(`
    const { setTimeout } = globalThis;
    const graces = [];
    globalThis.setTimeout = (call, ms) => setTimeout(call, (graces.push(ms), 0));
    const { spawn } = await import("@pidfd/util");
    const controller = new AbortController();
    const child = spawn("sh", {
      args: ["-c", "trap '' TERM; echo; while :; do sleep 0.01; done"],
      stdout: "piped",
      signal: controller.signal,
    });
    const reader = child.stdout.getReader();
    await reader.read();
    controller.abort();
    const { signal } = await child.status;
    console.log(JSON.stringify({ signal, asked: graces.includes(5000) }));
    await reader.cancel();
  `);
  assertEquals(facts, { signal: "SIGKILL", asked: true });
});

Deno.test("spawn() starts nothing if its signal has aborted before", async () => {
  const reason = new Error("not any more");
  await leavesNothing(() => {
    const start = () => spawn("sleep", { args: ["60"], signal: AbortSignal.abort(reason) });
    assertStrictEquals(assertThrows(start), reason);
  });
});

Deno.test("spawn() heeds one signal for many children", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const children = Array.from({ length: 20 }, () => spawn("sleep", { args: ["60"], signal }));
  controller.abort();
  const statuses = await deadline(Promise.all(children.map(({ status }) => status)), PATIENCE);
  assertEquals(statuses.filter(({ signal }) => signal === "SIGTERM").length, 20);
  await idle();
});

Deno.test("spawn() leaves its signal alone once the child has ended", async () => {
  const controller = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = controller.signal;
  Object.assign(controller.signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      listening++;
      addEventListener.apply(controller.signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listening--;
      removeEventListener.apply(controller.signal, args);
    },
  });
  const child = spawn("sh", {
    args: ["-c", "read _; exit 7"],
    stdin: "piped",
    signal: controller.signal,
  });
  assertEquals(listening, 1);
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  assertEquals(listening, 0);
  controller.abort();
  assertEquals((await child.status).code, 7);
});

const asOther = ["--reuid=65534", "--clear-groups", "sh", "-c", "echo; read _; exit 7"];
const withoutKill = withoutCapability("kill");

Deno.test({
  ...needing(
    "root and setpriv",
    isRoot && works(withoutKill),
    "spawn() goes on if its signal can't end the child, and tells why by endError",
  ),
  async fn() {
    const program = `
      import { spawn } from "@pidfd/util";
      import { eventually, readStat } from "${ROOT}tests/support/processes.ts";
      const controller = new AbortController();
      const child = spawn("setpriv", {
        args: ${JSON.stringify(asOther)},
        stdin: "piped",
        stdout: "piped",
        signal: controller.signal,
      });
      const reader = child.stdout.getReader();
      await reader.read();
      controller.abort();
      await eventually("the abort was refused", () => child.endError !== null);
      const state = readStat(child.pid).state;
      await child.stdin.close();
      const { code } = await child.status;
      await reader.cancel();
      await eventually("it is reaped", () => readStat(child.pid) === null);
      console.log(JSON.stringify([state, code, child.endError.message]));
    `;
    const facts = await runForValue(program, ["--allow-all"], withoutKill);
    const advice = "the process belongs to another user";
    const refusal = `pidfd_send_signal: EPERM: Operation not permitted (${advice})`;
    assertEquals(facts, ["S", 7, refusal]);
  },
});

/**
 * Many children: all at once, and one after the other. Nothing of theirs is mixed up, and
 * nothing is left of them.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, spawn, SyscallError } from "../../mod.ts";
import { eventually, idle, openFds, PATIENCE, threads, zombies } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { nextTurn } from "../support/promises.ts";
import { encode } from "../support/sockets.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

const AT_ONCE = 300;
/** For each child three pipes and a pidfd, and some for the program itself. */
const NEEDED = 4 * AT_ONCE + 200;
const [, limit] = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))!;

/** Starts a child that answers on all of its streams, once its input ends. */
function start(id: number): Child {
  const script = `cat; echo "err $0" >&2; exit $(($0 % 256))`;
  return spawn("sh", { args: ["-c", script, String(id)], ...PIPES });
}

/** Asks it, and checks the answer; its input ends no sooner than it may. */
async function converse(child: Child, id: number, text: string, mayEnd: Promise<void>) {
  const writer = child.stdin.getWriter();
  const output = child.output();
  await writer.write(encode(text));
  await mayEnd;
  await writer.close();
  const { code, stdout, stderr } = await output;
  const texts = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, ...texts], [id % 256, text, `err ${id}\n`]);
}

Deno.test({
  ...needing(
    `${NEEDED} fds`,
    Number(limit) >= NEEDED,
    `spawn() starts ${AT_ONCE} children at once, with no more threads than for one`,
  ),
  async fn() {
    await idle();
    const before = openFds();
    const one = start(0);
    const output = one.output();
    // In the next turn the thread is parked that waits for all.
    await nextTurn();
    const forOne = threads();
    const children = Array.from({ length: AT_ONCE }, (_, i) => start(i));
    const { promise: counted, resolve: end } = Promise.withResolvers<void>();
    // All of them are under way until the threads are counted.
    const all = Promise.all(
      children.map((child, i) => converse(child, i, `${i} `.repeat(20_000), counted)),
    );
    await nextTurn();
    // One that has served the parked call before stays for some seconds.
    await eventually("there are no more threads than for one", () => threads() <= forOne);
    end();
    await deadline(all, PATIENCE);
    await eventually("there are no more threads than for one", () => threads() <= forOne);
    await one.stdin.close();
    assertEquals((await deadline(output, PATIENCE)).code, 0);
    await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
  },
});

/** The threads of Deno's pool that serve the one parked call in turn. Further ones end after a while. */
const POOL = 2;

/** Runs something often, and checks that it left no fd, no zombie and no thread behind. */
async function leavesNothing(run: () => Promise<void>): Promise<void> {
  await idle();
  const before = { fds: openFds(), zombies: zombies(), threads: threads() };
  await run();
  await eventually("the fds are closed", () => `${openFds()}` === `${before.fds}`);
  assertEquals(zombies(), before.zombies);
  await eventually("the threads end", () => threads() <= before.threads + POOL);
}

/** Ways for a child with all pipes to end. */
const ENDS: readonly (() => Promise<unknown>)[] = [
  async () => {
    const child = spawn("cat", PIPES);
    const writer = child.stdin.getWriter();
    await writer.write(encode("meow"));
    await writer.close();
    assertEquals((await child.output()).stdout, encode("meow"));
  },
  async () => {
    const child = spawn("cat", PIPES);
    child.kill("SIGKILL");
    await Promise.all([child.stdin.abort(), child.stdout.cancel(), child.stderr.cancel()]);
    assertEquals((await child.status).signal, "SIGKILL");
  },
  async () => {
    const child = spawn("true", PIPES);
    assertEquals((await child.status).success, true);
    await child.stdin.close();
    await child.output();
  },
];

/** Ways for a child not to start: at the first step, at the last, and in between. */
const FAILURES: readonly (() => Child)[] = [
  () => spawn("pidfd-test-none", PIPES),
  () => spawn("/none", PIPES),
  () => spawn("true", { ...PIPES, cwd: "/none" }),
  () => spawn("true", { ...PIPES, stderr: 2 ** 31 - 1 }),
];

/** How many children are there at a time. */
const BATCH = 12;

/** Starts so many children, which end in different ways; or fails to start every second one. */
async function runChildren(count: number, failing: boolean): Promise<void> {
  for (let started = 0; started < count; started += BATCH) {
    const ends = Array.from({ length: BATCH }, (_, i) => {
      if (!failing || i % 2 === 0) return ENDS[i % ENDS.length]();
      assertThrows(FAILURES[(i >> 1) % FAILURES.length], SyscallError);
    });
    await deadline(Promise.all(ends), PATIENCE);
  }
}

for (
  const [name, failing] of [["children", false], [
    "tries of which every second fails",
    true,
  ]] as const
) {
  Deno.test(`spawn() leaves nothing behind after 2,000 ${name}, with all pipes`, async () => {
    await runChildren(50, failing);
    await leavesNothing(() => runChildren(2_000, failing));
  });
}

declare const gc: () => void;

Deno.test("Child whose pipes nobody uses costs nothing once it is garbage", async () => {
  await idle();
  const before = openFds();
  const statuses = Array.from({ length: 50 }, () => spawn("true", PIPES).status);
  await deadline(Promise.all(statuses), PATIENCE);
  await eventually("the garbage is collected", () => {
    gc();
    return `${openFds()}` === `${before}`;
  });
  assertEquals(zombies(), []);
});

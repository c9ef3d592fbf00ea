/**
 * The PID file that can't lie: one instance runs, whatever is in the file and whoever comes.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { join } from "@std/path";
import { pidfsIds } from "../../ffi/capabilities.ts";
import { PidFd } from "../../mod.ts";
import { type RunningExample, startExample } from "../support/examples.ts";
import { PATIENCE } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

const PERMISSIONS = ["--allow-ffi", "--allow-read", "--allow-write"];

/** A place for a PID file, which is removed at the end of the block. */
class Place implements Disposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly path = join(this.#folder, "pid");

  start(): RunningExample {
    return startExample("pidfile.ts", PERMISSIONS, [this.path]);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Checks that this instance runs now. */
async function assertRuns(instance: RunningExample): Promise<void> {
  assertEquals(await deadline(instance.line(), PATIENCE), `runs now: ${instance.child.pid}`);
}

/** Checks that this instance found another one. */
async function assertFinds(instance: RunningExample, other: RunningExample): Promise<void> {
  const lines = await deadline(instance.rest(), PATIENCE);
  assertEquals(lines, [`runs already: ${other.child.pid}`]);
  assertEquals((await instance.child.status).code, 1);
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ ...needing("Linux 6.9", pidfsIds.available, name), fn });
}

test("pidfile.ts finds the instance that runs, and becomes it when that has ended", async () => {
  using place = new Place();
  {
    await using first = place.start();
    await assertRuns(first);
    await using second = place.start();
    await assertFinds(second, first);
    first.child.kill("SIGTERM");
    assertEquals((await deadline(first.child.status, PATIENCE)).code, 0);
  }
  // Its file is still there.
  await using third = place.start();
  await assertRuns(third);
});

test("pidfile.ts becomes the instance after a crash", async () => {
  using place = new Place();
  {
    await using first = place.start();
    await assertRuns(first);
    first.child.kill("SIGKILL");
    await first.child.status;
  }
  await using second = place.start();
  await assertRuns(second);
});

test("pidfile.ts lets one of eight run that start at once", async () => {
  using place = new Place();
  await using stack = new AsyncDisposableStack();
  const all = Array.from({ length: 8 }, () => stack.use(place.start()));
  const lines = await deadline(Promise.all(all.map((one) => one.line())), PATIENCE);
  const winner = all.find((_, i) => lines[i]!.startsWith("runs now"))!;
  const expected = all.map((one) =>
    one === winner ? `runs now: ${one.child.pid}` : `runs already: ${winner.child.pid}`
  );
  assertEquals(lines, expected);
});

/** What a file can hold that is no instance's. */
const LIES: Record<string, () => string> = {
  "nothing": () => "",
  "rubbish": () => "\0{[",
  "a bare PID": () => String(Deno.pid),
  "null": () => "null",
  "another process's PID": () => {
    using self = PidFd.fromSelf();
    const { pid, id, bootId } = self.toRef().toJSON();
    // Ids are given one after another: the next one can be a process's that runs.
    return JSON.stringify({ pid, id: String(BigInt(id) + 2n ** 40n), bootId });
  },
  "this very process in another boot": () => {
    using self = PidFd.fromSelf();
    return JSON.stringify({ ...self.toRef().toJSON(), bootId: crypto.randomUUID() });
  },
};

for (const [what, text] of Object.entries(LIES)) {
  test(`pidfile.ts becomes the instance if the file holds ${what}`, async () => {
    using place = new Place();
    Deno.writeTextFileSync(place.path, text());
    await using instance = place.start();
    await assertRuns(instance);
  });
}

Deno.test("pidfile.ts says how it is used", async () => {
  await using instance = startExample("pidfile.ts", PERMISSIONS, []);
  assertEquals([await instance.rest(), (await instance.child.status).code], [[], 2]);
});

/**
 * Trees that grow while they are being ended: none of what they start gets away.
 *
 * @module
 */

import { assertEquals, assertLess } from "@std/assert";
import { deadline } from "@std/async";
import { killTree, type KillTreeOptions } from "../../mod.ts";
import { PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { Mark, startTree } from "../support/trees.ts";

/**
 * Shell commands that print a line for each process that they start, up to `LIMIT`, as fast as
 * they can: several hundred a second.
 */
const FORKERS: Readonly<Record<string, string>> = {
  "starts short-lived processes": `
    i=0
    while [ $i -lt $1 ]; do i=$((i + 1)); sleep 0.05 & echo; done
    wait
  `,
  "starts long-lived processes": `
    i=0
    while [ $i -lt $1 ]; do i=$((i + 1)); sleep 60 & echo; done
    wait
  `,
  "has two processes that start others": `
    for forker in 1 2; do
      (i=0; while [ $i -lt $(($1 / 2)) ]; do i=$((i + 1)); sleep 0.05 & echo; done; wait) &
    done
    wait
  `,
  "grows deeper and deeper": `
    echo
    [ $1 -gt 0 ] && sh -c "$0" "$0" $(($1 - 1)) &
    wait
  `,
};

/** When the processes of a test stop starting others, whatever becomes of the test. */
const LIMIT = 20_000;

for (const [name, script] of Object.entries(FORKERS)) {
  for (const options of [{}, { grace: 0 }] as KillTreeOptions[]) {
    Deno.test(`killTree() ends a tree that ${name} with ${Deno.inspect(options)}`, async () => {
      await using mark = new Mark();
      const tree = startTree(mark, script, [script, String(LIMIT)]);
      const first = 200;
      await tree.lines(first);
      using root = tree.child.pidfd;
      const { ended, refused } = await deadline(killTree(root, options), PATIENCE);
      assertEquals(mark.pids(), []);
      assertEquals([ended[0].pid, refused], [tree.child.pid, []]);
      // It was going on when it was ended.
      assertLess(first + (await tree.rest()).split("\n").length, LIMIT);
    });
  }
}

Deno.test("killTree() ends processes that hand over and exit, however long a search takes", async () => {
  await using mark = new Mark();
  const script = 'echo; [ $1 -gt 0 ] && sh -c "$0" "$0" $(($1 - 1)) & exit';
  const value = await runForValue(
    `
    import { killTree, PidFd, setSubreaper } from "@pidfd/util";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    // They fall to this program.
    setSubreaper(true);
    const script = ${JSON.stringify(script)};
    const mark = { env: ${JSON.stringify(mark.env)} };
    const counts = [];
    for (let i = 0; i < 10; i++) {
      const tree = startTree(mark, script, [script, "${LIMIT}"]);
      await tree.lines(5);
      // An hour goes by between the first look at the clock and the second.
      let looks = 0;
      performance.now = () => Date.now() + (looks++ > 0 ? 3_600_000 : 0);
      await killTree(PidFd.fromSelf(), { grace: 0 });
      counts.push(5 + (await tree.rest()).length);
    }
    console.log(JSON.stringify(counts));
  `,
    // Slow enough to miss some.
    ["--allow-all", "--v8-flags=--jitless"],
  );
  assertEquals(mark.pids(), []);
  for (const count of value as number[]) assertLess(count, LIMIT);
});

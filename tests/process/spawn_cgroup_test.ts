/**
 * Children that are born into a cgroup, and its end with their disposal.
 *
 * @module
 */

import {
  assertEquals,
  assertGreater,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import { basename } from "@std/path";
import { cgroupSpawn } from "../../ffi/capabilities.ts";
import { spawn, SyscallError, UnsupportedError } from "../../mod.ts";
import {
  CGROUP_ROOT,
  CGROUPS,
  DAEMON,
  hasCgroups,
  startIn,
  TestCgroup,
} from "../support/cgroups.ts";
import { leavesNothing, run } from "../support/commands.ts";
import { openingInstead } from "../support/openat.ts";
import { asOrdinaryUser } from "../support/ordinary_user.ts";
import { eventually, isRoot, PATIENCE } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark, startTree, type Tree } from "../support/trees.ts";

Deno.test("spawn() says that there is no such cgroup, and starts nothing", async () => {
  using folder = new Folder();
  const cgroup = folder.at("none");
  await leavesNothing(() => {
    const { code, message } = assertThrows(() => spawn("true", { cgroup }), SyscallError);
    assertEquals(code, "ENOENT");
    assertStringIncludes(message, cgroup);
  });
});

/** Registers a test that needs a child which is in a cgroup from the beginning. */
function testBirth(name: string, fn: (cgroup: TestCgroup) => Promise<void>): void {
  Deno.test({
    ...needing(CGROUPS, hasCgroups, name),
    async fn() {
      await using cgroup = new TestCgroup();
      await fn(cgroup);
    },
  });
}

testBirth("spawn() with cgroup has the child move there before Linux 5.7", async (cgroup) => {
  using _older = without(cgroupSpawn);
  for (const options of [{}, isRoot ? { uid: 65534, gid: 65534 } : {}]) {
    const args = ["/proc/self/cgroup"];
    const { stdout } = await run("cat", { args, cgroup: cgroup.path, ...options });
    const [, path] = /^0::(.*)$/m.exec(stdout)!;
    assertEquals(basename(path), basename(cgroup.path));
  }
  await leavesNothing(() => {
    const start = () => spawn("/none", { cgroup: cgroup.path });
    assertThrows(start, SyscallError, "Failed to spawn '/none': execve: ENOENT");
  });
});

testBirth(
  "spawn() with cgroup has the child there before its first instruction",
  async (cgroup) => {
    const { stdout } = await run("cat", { args: ["/proc/self/cgroup"], cgroup: cgroup.path });
    const [, path] = /^0::(.*)$/m.exec(stdout)!;
    assertEquals(basename(path), basename(cgroup.path));
  },
);

testBirth(
  "await using leaves alone a cgroup that was made in place of the child's",
  async (cgroup) => {
    await using mark = new Mark();
    let other: Tree;
    {
      await using child = spawn("true", { cgroup: cgroup.path });
      await deadline(child.status, PATIENCE);
      await cgroup.emptied();
      Deno.removeSync(cgroup.path);
      Deno.mkdirSync(cgroup.path);
      other = await startIn(cgroup, mark, "exec sleep 60");
      await eventually("it is in there", () => cgroup.pids().includes(other.child.pid));
    }
    assertEquals(other.child.pidfd.isAlive(), true);
  },
);

testBirth(
  "await using ends the tree where the kernel is too old to end the child's cgroup",
  async (cgroup) => {
    await using mark = new Mark();
    const tree = startTree(mark, "sleep 60 & echo; wait", [], { cgroup: cgroup.path });
    await tree.lines(1);
    using _older = openingInstead("cgroup.kill", "cgroup.none");
    const dispose = () => deadline(tree.child[Symbol.asyncDispose](), PATIENCE);
    assertEquals((await assertRejects(dispose, UnsupportedError)).feature, "cgroup.kill");
    assertEquals(mark.pids(), []);
  },
);

testBirth("Child with a cgroup can be disposed of while it is disposed of", async (cgroup) => {
  // The second begins a little later in the first each time.
  for (let turns = 0; turns < 50; turns++) {
    const child = spawn("true", { cgroup: cgroup.path });
    await child.status;
    const first = child[Symbol.asyncDispose]();
    for (let i = 0; i < turns; i++) await undefined;
    await deadline(Promise.all([first, child[Symbol.asyncDispose]()]), PATIENCE);
  }
  assertEquals(cgroup.pids(), []);
});

testBirth("await using leaves a cgroup that another child can be born into", async (cgroup) => {
  const options = { args: ["60"], cgroup: cgroup.path };
  {
    await using child = spawn("sleep", options);
    assertEquals(cgroup.pids(), [child.pid]);
  }
  await using child = spawn("sleep", options);
  child.kill("SIGTERM");
  assertEquals((await child.status).signal, "SIGTERM");
});

testBirth("await using ends all in the cgroup of a child, daemons as well", async (cgroup) => {
  await using mark = new Mark();
  {
    const tree = startTree(mark, `(${DAEMON}) & echo; exec sleep 60`, [], { cgroup: cgroup.path });
    await using _scoped = tree.child;
    await tree.lines(2);
    assertGreater(cgroup.pids().length, 1);
  }
  assertEquals([mark.pids(), cgroup.pids()], [[], []]);
});

Deno.test({
  ...needing(
    "a cgroup v2",
    CGROUP_ROOT !== null,
    "spawn() with cgroup that this program may not write to starts nothing",
  ),
  async fn() {
    await leavesNothing(() => {
      const start = () => asOrdinaryUser(() => spawn("true", { cgroup: CGROUP_ROOT! }));
      assertEquals(assertThrows(start, SyscallError).code, "EACCES");
    });
  },
});

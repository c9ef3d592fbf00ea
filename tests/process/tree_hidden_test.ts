/**
 * Trees with processes in them that /proc hides, as it can hide all that a program has no right
 * to look into (hidepid, proc(5)): of those it may signal there are set-user-ID programs, and such
 * as nobody may read, which the test is done with.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { infoIoctl } from "../../ffi/capabilities.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { isRoot, ROOT, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark } from "../support/trees.ts";

/** Where processes can be seen and not be read, and where they can't even be seen. */
const LEVELS = [1, 2] as const;

/** May look into nothing that it may not read, and has mounts of its own. */
const BLIND = [
  ...["unshare", "--mount"],
  ...withoutCapability("sys_ptrace", "dac_override", "dac_read_search"),
];

const canHide = isRoot && works(BLIND);

/** Runs a program whose /proc hides. It has a `sleep` of its own that nobody may read. */
async function run(level: number, mark: Mark, code: string): Promise<unknown> {
  using folder = new Folder();
  const sleep = folder.at("sleep");
  Deno.copyFileSync("/bin/sleep", sleep);
  Deno.chmodSync(sleep, 0o111);
  const program = `
    import { killTree, PidFd, spawn } from "@pidfd/util";
    import { eventually } from "${ROOT}tests/support/processes.ts";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    const { symbols: libc } = Deno.dlopen("libc.so.6", {
      // int mount(const char *source, const char *target, const char *filesystemtype,
      //           unsigned long mountflags, const void *data);
      mount: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
    });
    const c = (text) => new TextEncoder().encode(text + "\\0");
    // The group is the one from which nothing is hidden: root's own, unless told otherwise.
    const data = "hidepid=${level},gid=65534";
    if (libc.mount(c("proc"), c("/proc"), c("proc"), 0n, c(data)) !== 0) throw new Error("mount");
    const sleep = ${JSON.stringify(sleep)};
    const mark = { env: ${JSON.stringify(mark.env)} };
    const isHidden = (pid) => {
      try {
        Deno.readTextFileSync(\`/proc/\${pid}/stat\`);
        return false;
      } catch {
        return true;
      }
    };
    const pids = (list) => list.map(({ pid }) => pid).sort((a, b) => a - b);
    ${code}
    Deno.exit();
  `;
  return await runForValue(program, ["--allow-all"], BLIND);
}

for (const level of LEVELS) {
  for (const options of ["{}", "{ grace: 0 }"]) {
    Deno.test({
      ...needing(
        "root, setpriv, unshare and Linux 6.13",
        canHide && infoIoctl.available,
        `killTree() with ${options} ends children that hidepid=${level} hides`,
      ),
      async fn() {
        await using mark = new Mark();
        const facts = await run(
          level,
          mark,
          `
          const script = sleep + " 60 & echo $!; " + sleep + " 60 & echo $!; wait";
          const tree = startTree(mark, script);
          const children = (await tree.lines(2)).map(Number);
          await eventually("they are hidden", () => children.every(isHidden));
          const { ended, refused } = await killTree(tree.child.pidfd, ${options});
          const commands = ended.slice(1).map(({ command }) => command);
          console.log(JSON.stringify([
            pids(ended).join() === [tree.child.pid, ...children].sort((a, b) => a - b).join(),
            refused,
            commands,
          ]));
        `,
        );
        assertEquals(facts, [true, [], ["", ""]]);
        assertEquals(mark.pids(), []);
      },
    });
  }

  Deno.test({
    ...needing(
      "root, setpriv and unshare",
      canHide,
      `killTree() and await using end a root that hidepid=${level} hides`,
    ),
    async fn() {
      await using mark = new Mark();
      const facts = await run(
        level,
        mark,
        `
        const start = async () => {
          const child = spawn(sleep, { args: ["60"], env: mark.env });
          await eventually("it is hidden", () => isHidden(child.pid));
          return child;
        };
        const child = await start();
        const { ended, refused } = await killTree(child.pidfd, { grace: 0 });
        const facts = [pids(ended).join() === String(child.pid), refused];
        {
          await using other = await start();
          other.status.then(({ signal }) => facts.push(signal));
        }
        console.log(JSON.stringify(facts));
      `,
      );
      assertEquals(facts, [true, [], "SIGTERM"]);
      assertEquals(mark.pids(), []);
    },
  });
}

Deno.test({
  ...needing(
    "root, setpriv, unshare and Linux 6.13",
    canHide && infoIoctl.available,
    "killTree() resolves where a hidden child is a zombie that nobody reaps",
  ),
  async fn() {
    await using mark = new Mark();
    const facts = await run(
      2,
      mark,
      `
      // The shell becomes a program that doesn't know of its child.
      const tree = startTree(mark, sleep + " 60 & echo $!; exec sleep 60");
      const [pid] = (await tree.lines(1)).map(Number);
      await eventually("it is hidden", () => isHidden(pid));
      using zombie = PidFd.fromPid(pid);
      zombie.kill();
      await zombie.exited();
      const { ended, refused } = await killTree(tree.child.pidfd, { grace: 0 });
      console.log(JSON.stringify([ended[0].pid === tree.child.pid, refused]));
    `,
    );
    assertEquals(facts, [true, []]);
    assertEquals(mark.pids(), []);
  },
});

/**
 * PIDs that are used again while a tree is being ended: whoever has such a PID is left alone.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { libc } from "../../ffi/libc.ts";
import { killTree, PidFd, spawn } from "../../mod.ts";
import { blockUntilReaped } from "../support/children.ts";
import { whenOpening } from "../support/openat.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import {
  openFds,
  PATIENCE,
  readStat,
  ROOT,
  runForValue,
  startStranger,
} from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark, startTree } from "../support/trees.ts";

Deno.test("killTree() leaves alone who has the PID that a descendant had when it was seen", async () => {
  await using mark = new Mark();
  await using bystander = spawn("sleep", { args: ["60"] });
  const tree = startTree(mark, "sleep 60 & echo $!; exec sleep 60");
  const [pid] = (await tree.lines(1)).map(Number);
  const { syscall_pidfd_open: open } = libc();
  const tried: number[] = [];
  {
    // As if the PID were the bystander's by now.
    using _reused = shadow(libc(), "syscall_pidfd_open", () => (number, asked, flags) => {
      tried.push(asked);
      return open(number, asked === pid ? bystander.pid : asked, flags);
    });
    using root = tree.child.pidfd;
    const { ended } = await deadline(killTree(root, { grace: 0 }), PATIENCE);
    assertEquals(ended.map(({ pid }) => pid), [tree.child.pid]);
  }
  assertEquals(tried.includes(pid), true);
  using pidfd = bystander.pidfd;
  assertEquals([pidfd.isAlive(), readStat(bystander.pid)?.state === "T"], [true, false]);
});

const inPidNamespace = inNamespaces("--pid", "--fork", "--mount-proc");

/** Where the next PIDs can be chosen. */
const LAST_PID = "/proc/sys/kernel/ns_last_pid";
const canChoosePids = works([...inPidNamespace, "sh", "-c", `echo 100 > ${LAST_PID}`]);

Deno.test({
  ...needing(
    "PID namespaces",
    canChoosePids,
    "killTree() leaves alone a process whose parent has the PID of a member that is gone",
  ),
  async fn() {
    using folder = new Folder();
    const gate = folder.at("gate");
    const facts = await runForValue(
      `
      import { killTree, PidFd } from "@pidfd/util";
      import { libc } from "${ROOT}ffi/libc.ts";
      import { startUnreaped } from "${ROOT}tests/support/children.ts";
      import { readStat } from "${ROOT}tests/support/processes.ts";
      import { childrenOf } from "${ROOT}tests/support/trees.ts";

      function waitFor(condition) {
        while (!condition());
      }

      /** Ends a child of this program, and frees its PID. */
      function end(pid) {
        using pidfd = PidFd.fromPid(pid);
        pidfd.kill();
        pidfd.waitSync({ reap: true });
      }

      /** Has a call return the process that gets this PID. */
      function choose(pid) {
        Deno.writeTextFileSync("${LAST_PID}", String(pid - 1));
      }

      const root = startUnreaped("sleep 60 & wait");
      waitFor(() => childrenOf(root.pid).length === 1);
      const [child] = childrenOf(root.pid);

      let bystander;
      const functions = libc();
      const open = functions.syscall_pidfd_open;
      Object.defineProperty(functions, "syscall_pidfd_open", {
        configurable: true,
        value(number, pid, flags) {
          if (pid === child && !bystander) {
            bystander = true;
            end(root.pid);
            // It has fallen to this program, the first of its namespace.
            end(child);
            choose(root.pid);
            bystander = startUnreaped("until [ -e ${gate} ]; do :; done; sleep 60 & wait");
            choose(child);
            Deno.writeTextFileSync("${gate}", "");
            waitFor(() => childrenOf(bystander.pid).length === 1);
          }
          return open(number, pid, flags);
        },
      });
      await killTree(root.pidfd, { grace: 0 });
      const [its] = childrenOf(bystander.pid);
      console.log(JSON.stringify({
        reused: [bystander.pid === root.pid, its === child],
        touched: [bystander.pid, its].map((pid) => "TtZX".includes(readStat(pid)?.state ?? "X")),
      }));
      Deno.exit();
    `,
      ["--allow-all"],
      inPidNamespace,
    );
    assertEquals(facts, { reused: [true, true], touched: [false, false] });
  },
});

Deno.test("killTree() does nothing if the root is reaped while it is looked at", async () => {
  await using stranger = await startStranger("exec sleep 60", "at once");
  using root = PidFd.fromPid(stranger.pid);
  const before = openFds();
  const reap = () => {
    root.kill();
    blockUntilReaped(stranger.pid);
  };
  // The first thing after a look at whether it runs is a look at who this program's ancestors are.
  using looking = whenOpening(`/proc/${Deno.pid}/stat`, { before: reap });
  assertEquals(await deadline(killTree(root), PATIENCE), { ended: [], refused: [], stuck: [] });
  assertEquals([looking.done, openFds()], [true, before]);
});

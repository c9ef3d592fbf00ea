/**
 * The PIDs that a process has in the PID namespaces around it.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { infoIoctl } from "../../ffi/capabilities.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { blockUntilEnded, startTalking, startUnreaped } from "../support/children.ts";
import { openingInstead } from "../support/openat.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { eventually, runForValue } from "../support/processes.ts";
import { readProc } from "../support/proc.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const NESTED = inNamespaces("--pid", "--fork", "--kill-child");
const needingNested = (name: string) => needing("unshare", works(NESTED), name);

/** The one child of a process. */
async function childOf(pid: number): Promise<number> {
  const find = () => Number(readProc(`${pid}/task/${pid}/children`) ?? "0");
  await eventually(`${pid} has a child`, () => find() > 0);
  return find();
}

/** Checks the PIDs in all the ways in which the kernel tells them. */
function assertPids(pidfd: PidFd, expected: number[]): void {
  assertEquals(pidfd.getPids(), expected);
  {
    using _ = without(infoIoctl);
    assertEquals(pidfd.getPids(), expected);
  }
  // Before Linux 5.5, fdinfo has the first alone.
  const fdinfo = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(fdinfo, `pos:\t0\nflags:\t02000002\nPid:\t${expected[0]}\n`);
    using _ = openingInstead(`/proc/self/fdinfo/${pidfd.fd}`, fdinfo);
    assertEquals(pidfd.getPids(), expected);
  } finally {
    Deno.removeSync(fdinfo);
  }
}

Deno.test("PidFd.getPids() is the PID alone where there is no other namespace, a zombie's, too", () => {
  using self = PidFd.fromSelf();
  assertPids(self, [Deno.pid]);
  using child = startUnreaped("exit 0");
  blockUntilEnded(child.pid);
  assertPids(child.pidfd, [child.pid]);
});

Deno.test({
  ...needingNested("PidFd.getPids() goes from our PID namespace down to the process's own"),
  async fn() {
    const script = 'echo "$$"; read line';
    await using outermost = startTalking(NESTED[0], [
      ...[...NESTED.slice(1), "unshare", "--pid", "--fork", "--kill-child"],
      ...["sh", "-c", `(exit 0); ${script}`],
    ]);
    assertEquals(await outermost.line(), "1");
    const middle = await childOf(outermost.child.pid);
    const inner = await childOf(middle);
    using pidfd = PidFd.fromPid(inner);
    const [first, second, ...rest] = pidfd.getPids();
    assertEquals([first, rest], [inner, [1]]);
    // What the kernel says of the same in another place.
    const [, listed] = /^NSpid:\t(.*)$/m.exec(readProc(`${inner}/status`)!)!;
    assertEquals(listed, `${inner}\t${second}\t1`);
    assertPids(pidfd, [inner, second, 1]);
    using between = PidFd.fromPid(middle);
    assertPids(between, [middle, 1]);
  },
});

Deno.test({
  ...needingNested("PidFd.getPids() begins with our PID where /proc is of a namespace above ours"),
  async fn() {
    using outside = startUnreaped("exec sleep 60");
    outside.pidfd.setCloseOnExec(false);
    const { fd } = outside.pidfd;
    const program = `
      import { PidFd } from "@pidfd/util";
      using self = PidFd.fromSelf();
      // A namespace deeper: its PIDs are ours, and 1 there.
      const child = new Deno.Command("unshare", {
        args: ["--pid", "--fork", "--kill-child", "sleep", "60"],
      }).spawn();
      let pids = [];
      // The next PID but one at the latest: nobody else starts anything here.
      while (pids.length < 2) {
        for (let pid = child.pid + 1; pid < child.pid + 100 && pids.length < 2; pid++) {
          try {
            using inner = PidFd.fromPid(pid);
            pids = inner.getPids();
            if (pids.length === 2) pids[0] -= pid;
          } catch (error) {
            if (!["ESRCH", "ENOENT", "EINVAL"].includes(error.code)) throw error;
          }
        }
      }
      child.kill("SIGKILL");
      await child.status;
      let code = "none";
      try {
        PidFd.fromFd(${fd}).getPids();
      } catch (error) {
        code = error.code;
      }
      console.log(JSON.stringify([self.getPids()[0] - Deno.pid, self.getPids().length, pids, code]));
    `;
    const found = await runForValue(program, ["--allow-all"], NESTED);
    const [first, count, pids, code] = found as [number, number, number[], string];
    assertEquals([first, count, pids], [0, 1, [0, 1]]);
    // Without the ioctl only /proc can be asked, which knows it.
    if (infoIoctl.available) assertEquals(code, "EREMOTE");
  },
});

Deno.test("PidFd.getPids() throws ESRCH once the process was reaped", () => {
  using child = startUnreaped("exit 0");
  child.pidfd.waitSync({ reap: true });
  const refused = () => {
    const error = assertThrows(() => child.pidfd.getPids(), SyscallError, "the process was reaped");
    assertEquals(error.code, "ESRCH");
  };
  refused();
  using _ = without(infoIoctl);
  refused();
});

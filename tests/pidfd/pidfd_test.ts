/**
 * Handles as such: how long they live, what a clone has of its own, and what can be done with a
 * handle in each state of its process.
 *
 * @module
 */

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close } from "../../ffi/files.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { blockUntilEnded, startUnreaped, type UnreapedChild } from "../support/children.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { idle, openFds, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { isPending } from "../support/promises.ts";

Deno.test("PidFd is closed at the end of the block, and its process goes on", () => {
  using child = startUnreaped("exec sleep 60");
  const before = openFds();
  let fd: number;
  {
    using pidfd = PidFd.fromPid(child.pid);
    ({ fd } = pidfd);
    assertEquals([pidfd.closed, openFds().length], [false, before.length + 1]);
  }
  assertEquals([openOn(fd), openFds()], [null, before]);
  assertEquals(child.pidfd.isAlive(), true);
});

Deno.test("PidFd.clone() is a handle of its own on the same process", () => {
  using child = startUnreaped("exec sleep 60");
  using pidfd = PidFd.fromPid(child.pid);
  pidfd.setCloseOnExec(false);
  using clone = pidfd.clone();
  assertNotEquals(clone.fd, pidfd.fd);
  assertEquals([clone.equals(pidfd), isCloseOnExec(clone.fd)], [true, true]);
  pidfd.close();
  assertEquals([clone.getPid(), clone.isAlive(), clone.closed], [child.pid, true, false]);
  clone.kill();
  assertEquals(clone.waitSync({ reap: true }).signal, "SIGKILL");
});

Deno.test("PidFd.intoFd() gives the descriptor away, open, and fromFd() takes it", () => {
  using child = startUnreaped("exec sleep 60");
  const given = PidFd.fromPid(child.pid);
  const { fd } = given;
  assertEquals(given.intoFd(), fd);
  assertEquals([given.fd, given.closed], [-1, true]);
  using taken = PidFd.fromFd(fd);
  assertEquals([taken.fd, taken.getPid()], [fd, child.pid]);
});

Deno.test("PidFd.close() tells the program if something else closed its descriptor", () => {
  const pidfd = PidFd.fromSelf();
  const { fd } = pidfd;
  close(fd);
  const { code } = assertThrows(
    () => pidfd.close(),
    SyscallError,
    `something else closed fd ${fd}`,
  );
  assertEquals([code, pidfd.closed], ["EBADF", true]);
  pidfd.close();
});

Deno.test("PidFd and OwnedFd say that there is no descriptor left, and stay as they were", async () => {
  const code = `
    import { PidFd } from "@pidfd/util";
    import { giveBack, takeAll } from ${JSON.stringify(`${ROOT}tests/support/scarce_fds.ts`)};
    const self = PidFd.fromSelf();
    const owned = self.getNamespace("net");
    function attempt(open) {
      try {
        open().close();
        return "open";
      } catch ({ code }) {
        return code;
      }
    }
    const outcomes = () => [
      () => owned.clone(),
      () => self.clone(),
      () => PidFd.fromSelf(),
      () => self.getRemoteFd(0),
      () => self.getNamespace("net"),
    ].map(attempt);
    takeAll();
    const without = outcomes();
    // The older ways to a namespace need some more.
    giveBack(3);
    console.log(JSON.stringify([without, outcomes(), owned.closed, self.closed]));
  `;
  assertEquals(await runForValue(code), [
    Array(5).fill("EMFILE"),
    Array(5).fill("open"),
    false,
    false,
  ]);
});

/** What sending, asking and looking come to, in a state of the process. */
interface Outcomes {
  sendSignal: unknown;
  getPid: unknown;
  isAlive: boolean;
  tryWait: unknown;
}

/** What an action returns, or the code of what it throws. */
function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return error.code;
  }
}

function outcomes(pidfd: PidFd): Outcomes {
  return {
    sendSignal: outcome(() => pidfd.sendSignal("SIGCONT")),
    getPid: outcome(() => pidfd.getPid()),
    isAlive: pidfd.isAlive(),
    tryWait: outcome(() => pidfd.tryWait()?.signal ?? null),
  };
}

const sent = undefined;

function kill({ pid, pidfd }: UnreapedChild): void {
  pidfd.kill();
  blockUntilEnded(pid);
}

Deno.test("PidFd of a process that runs sends, tells, and waits", async () => {
  using child = startUnreaped("exec sleep 60");
  using pidfd = PidFd.fromPid(child.pid);
  assertEquals(outcomes(pidfd), {
    sendSignal: sent,
    getPid: child.pid,
    isAlive: true,
    tryWait: null,
  });
  const ends = [pidfd.exited(), pidfd.wait()];
  assertEquals(await Promise.all(ends.map(isPending)), [true, true]);
  kill(child);
  await deadline(Promise.all(ends), PATIENCE);
  await idle();
});

Deno.test("PidFd of a zombie sends to nobody, tells, and knows a child's status", async () => {
  using child = startUnreaped("exec sleep 60");
  using pidfd = PidFd.fromPid(child.pid);
  kill(child);
  assertEquals(outcomes(pidfd), {
    sendSignal: sent,
    getPid: child.pid,
    isAlive: false,
    tryWait: "SIGKILL",
  });
  await deadline(pidfd.exited(), PATIENCE);
  assertEquals((await deadline(pidfd.wait(), PATIENCE)).signal, "SIGKILL");
});

Deno.test("PidFd of a process that was reaped sends and tells nothing but the status", async () => {
  using child = startUnreaped("exec sleep 60");
  using pidfd = child.pidfd.clone();
  kill(child);
  child.pidfd.waitSync({ reap: true });
  assertEquals(outcomes(pidfd), {
    sendSignal: "ESRCH",
    getPid: "ESRCH",
    isAlive: false,
    tryWait: "SIGKILL",
  });
  await deadline(pidfd.exited(), PATIENCE);
  assertEquals((await deadline(pidfd.wait(), PATIENCE)).signal, "SIGKILL");
});

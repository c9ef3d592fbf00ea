/**
 * Sandboxes that forbid calls: the error says which one and why, and where there is another way,
 * that is taken. The filters are real ones, each in a program of its own.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { runForValue } from "../support/processes.ts";
import type { Call } from "../support/seccomp.ts";
import { canFilter, needing } from "../support/skip.ts";

const SUPPORT = new URL("../support/", import.meta.url).href;

const NEEDED = ["seccomp", canFilter()] as const;

/** What a filter answers: what containers do today, and what older ones do. */
const ANSWERS = ["ENOSYS", "EPERM"] as const;
type Answer = typeof ANSWERS[number];

/** Runs a program that has a handle on itself and then enters a sandbox. */
function run(calls: readonly Call[], answer: Answer, code: string): Promise<unknown> {
  const program = `
    import { features, PidFd } from "@pidfd/util";
    import { forbid } from "${SUPPORT}seccomp.ts";

    /** What an action returns, or the message of what it throws. */
    function outcome(act) {
      try {
        return act();
      } catch (error) {
        return error.message;
      }
    }
    const print = (value) => console.log(JSON.stringify(value));
    const self = PidFd.fromSelf();
    forbid(${JSON.stringify(calls)}, ${Errno[answer]});
    ${code}
  `;
  return runForValue(program, ["--allow-all"]);
}

for (const answer of ANSWERS) {
  Deno.test(
    needing(...NEEDED, `PidFd says that a sandbox answers ${answer} to pidfd_open`),
    async () => {
      const facts = await run(
        ["pidfd_open"],
        answer,
        `print({
          refusals: [() => PidFd.fromSelf(), () => PidFd.fromPid(1)].map(outcome),
          features: Object.values(features()),
        });`,
      ) as { refusals: string[]; features: unknown[] };
      const refusal = {
        ENOSYS: "pidfd_open is not available here: it needs Linux 5.3",
        EPERM: "pidfd_open: EPERM: Operation not permitted " +
          "(a sandbox, such as a container's seccomp filter, forbids pidfd_open)",
      }[answer];
      assertEquals(facts.refusals, [refusal, refusal]);
      // Without a handle there is nothing to do with all the rest.
      assertEquals(new Set(facts.features), new Set([false]));
    },
  );

  Deno.test(
    needing(...NEEDED, `PidFd tells all under /proc if a sandbox answers ${answer} to ioctl`),
    async () => {
      const facts = await run(
        ["ioctl"],
        answer,
        `
        const { pid, tgid, ppid, creds } = self.getInfo();
        const { info, namespaceIoctls } = features();
        print({
          info: [pid, tgid, ppid, creds.ruid, creds.egid],
          one: [self.getPid(), self.getPpid(), self.getCreds().ruid],
          deno: Deno.pid,
          net: String(self.getNamespace("net").inode()),
          features: [info, namespaceIoctls],
        });
      `,
      ) as Record<string, unknown>;
      const pid = facts.deno;
      assertEquals(facts, {
        info: [pid, pid, Deno.pid, Deno.uid(), Deno.gid()],
        one: [pid, Deno.pid, Deno.uid()],
        deno: pid,
        net: String(Deno.statSync("/proc/self/ns/net").ino),
        features: [false, false],
      });
    },
  );

  Deno.test(
    needing(...NEEDED, `PidFd says that a sandbox answers ${answer} to what it can't do without`),
    async () => {
      const facts = await run(
        ["pidfd_getfd", "pidfd_send_signal"],
        answer,
        `
        const refusals = [() => self.getRemoteFd(0), () => self.sendSignal(0)].map(outcome);
        print(refusals.map((message) => /: (EPERM): /.exec(message)?.[1] ?? message));
      `,
      );
      const refusals = {
        ENOSYS: [
          "pidfd_getfd is not available here: it needs Linux 5.6",
          "pidfd_send_signal is not available here: it needs Linux 5.1",
        ],
        EPERM: ["EPERM", "EPERM"],
      };
      assertEquals(facts, refusals[answer]);
    },
  );
}

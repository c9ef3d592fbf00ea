/**
 * What this library is for: a process ends, another one gets its PID, and nothing that is done
 * by the handle reaches that one. PIDs are reused for real, in a PID namespace, where the next
 * one can be chosen.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { idHandles, pidfsIds } from "../../ffi/capabilities.ts";
import { inNamespaces } from "../support/privileges.ts";
import { runForValue } from "../support/processes.ts";
import { LAST_PID } from "../support/reused_pid.ts";
import { canRun, needing } from "../support/skip.ts";

const CAPABILITIES = new URL("../../ffi/capabilities.ts", import.meta.url).href;
const SUPPORT = new URL("../support/", import.meta.url).href;
const PID_NAMESPACE = inNamespaces("--pid", "--fork", "--kill-child", "--mount-proc");

const [command, ...options] = PID_NAMESPACE;
const NEEDED = [
  `a PID namespace with ${LAST_PID}`,
  canRun(command, [...options, "sh", "-c", `echo 99 > ${LAST_PID}`]),
] as const;

/** The beginning of a program that reuses PIDs. */
const PROGRAM = `
  import { PidFd, spawn } from "@pidfd/util";
  import {
    exitInfo, infoIoctl, namespaceIoctls, pidfsIds, setnsPidfd,
  } from "${CAPABILITIES}";
  import { blockUntilEnded, isZombie, startShell, startUnreaped } from "${SUPPORT}children.ts";
  import { whenOpening } from "${SUPPORT}openat.ts";
  import { openFds } from "${SUPPORT}processes.ts";
  import { replace, startAs } from "${SUPPORT}reused_pid.ts";
  import { without } from "${SUPPORT}shadow.ts";

  /** What an action returns, or the code of what it throws. */
  function outcome(act) {
    try {
      return act();
    } catch (error) {
      if (error.code === undefined) throw error;
      return error.code;
    }
  }
  const print = (value) => console.log(JSON.stringify(value));
`;

function run(code: string): Promise<unknown> {
  return runForValue(PROGRAM + code, ["--allow-all"], PID_NAMESPACE);
}

/** The ways to reach a process, as the lines of a program that choose one. */
const WAYS = {
  "by the pidfd alone": "",
  "under /proc":
    "using _ = without(infoIoctl); using __ = without(namespaceIoctls); using ___ = without(setnsPidfd);",
};

for (const [way, choose] of Object.entries(WAYS)) {
  Deno.test(
    needing(...NEEDED, `PidFd of a process whose PID was reused gives ESRCH ${way}`),
    async () => {
      const facts = await run(`
        ${choose}
        using child = startUnreaped("exec sleep 60");
        using handle = PidFd.fromPid(child.pid);
        using newcomer = replace(child);
        const fds = openFds();
        const codes = Object.entries({
          sendSignal: ["SIGKILL"],
          kill: [],
          getPid: [],
          getPpid: [],
          getCreds: [],
          getCgroupId: [],
          getInfo: [],
          toRef: [],
          getNamespace: ["net"],
          setNamespace: ["uts"],
          getRemoteFd: [0],
          accessProc: [(proc) => proc.readTextFile("status")],
        }).map(([method, args]) => outcome(() => handle[method](...args)));
        const leaked = openFds().length - fds.length;
        const alive = [handle.isAlive(), newcomer.pidfd.isAlive()];
        // The same by the PID, which is what it was before.
        Deno.kill(child.pid, "SIGKILL");
        const { signal } = newcomer.pidfd.waitSync();
        print({ codes: [...new Set(codes)], leaked, alive, signal });
      `);
      assertEquals(facts, {
        codes: ["ESRCH"],
        leaked: 0,
        alive: [false, true],
        signal: "SIGKILL",
      });
    },
  );
}

Deno.test(
  needing(...NEEDED, "PidFd.wait() gives no newcomer's status, and takes none away"),
  async () => {
    const { codes, told, zombie } = await run(`
      using child = startUnreaped("exit 7");
      blockUntilEnded(child.pid);
      // It doesn't learn what the other one learns.
      using handle = PidFd.fromPid(child.pid);
      using newcomer = replace(child);
      const code = (act) => outcome(() => act().code);
      const running = [
        code(() => handle.tryWait({ reap: true })),
        code(() => handle.waitSync({ reap: true })),
      ];
      newcomer.pidfd.kill();
      blockUntilEnded(newcomer.pid);
      const ended = [
        code(() => handle.tryWait({ reap: true })),
        (await handle.wait({ reap: true }).catch(({ code }) => ({ code }))).code,
      ];
      const zombie = isZombie(newcomer.pid);
      const codes = [...new Set([...running, ...ended])];
      print({ codes, told: exitInfo.available, zombie });
    `) as { codes: unknown[]; told?: boolean; zombie: boolean };
    assertEquals([codes, zombie], [[told ? 7 : "ECHILD"], true]);
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.terminate() and Child.kill() leave a newcomer alone"),
  async () => {
    const facts = await run(`
      const child = spawn("sh", { args: ["-c", "exit 7"] });
      using handle = child.pidfd;
      await child.status;
      using newcomer = startAs(child.pid);
      const { code } = await handle.terminate({ signal: "SIGKILL" });
      print([code, outcome(() => child.kill("SIGKILL")), newcomer.pidfd.isAlive()]);
    `);
    assertEquals(facts, [7, "ESRCH", true]);
  },
);

Deno.test(
  needing(
    `${NEEDED[0]} and Linux 6.9`,
    NEEDED[1] && pidfsIds.available,
    "PidFd.fromPid() with an id, fromRef() and fromId() refuse a newcomer",
  ),
  async () => {
    const { pid, ids, refusals, alive } = await run(`
      using child = startUnreaped("exec sleep 60");
      const id = child.pidfd.getId();
      const ref = child.pidfd.toRef();
      using newcomer = replace(child);
      const { pid } = newcomer;
      const fds = openFds();
      const refusals = [
        () => PidFd.fromPid(pid, { id }),
        () => PidFd.fromRef(ref),
        () => PidFd.fromRef(String(ref)),
        () => PidFd.fromId(id),
      ].map((open) => {
        try {
          return String(open());
        } catch ({ code, message }) {
          return { code, message };
        }
      });
      if (openFds().length !== fds.length) throw new Error("an fd was left open");
      using found = PidFd.fromPid(pid, { id: newcomer.pidfd.getId() });
      const ids = [id, found.getId()].map(String);
      print({ pid, ids, refusals, alive: found.isAlive() });
    `) as { pid: number; ids: string[]; refusals: Record<string, string>[]; alive: boolean };
    const changed = `the process with id ${ids[0]} is gone; PID ${pid} now belongs to id ${ids[1]}`;
    const [byPid, byRef, byText, byId] = refusals;
    assertEquals(byPid, {
      code: "ESRCH",
      message: `pidfd_open: ESRCH: No such process (${changed})`,
    });
    assertEquals([byRef.code, byText.code], ["EREMCHG", "EREMCHG"]);
    assertEquals(byRef.message.endsWith(`(${changed})`), true, byRef.message);
    assertEquals(byId.code, idHandles.available ? "ESTALE" : "ENOTSUP");
    assertEquals(alive, true);
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.equals() tells a newcomer from the process whose PID it has"),
  async () => {
    const facts = await run(`
      using child = startUnreaped("exec sleep 60");
      using handle = PidFd.fromPid(child.pid);
      using newcomer = replace(child);
      const byId = pidfsIds.available ? handle.equals(newcomer.pidfd) : false;
      using _ = without(pidfsIds);
      const compare = (one, other) => outcome(() => one.equals(other));
      print([byId, compare(handle, newcomer.pidfd), compare(newcomer.pidfd, handle)]);
    `);
    assertEquals(facts, [false, "ESRCH", "ESRCH"]);
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.accessProc() gives nothing of a newcomer, whenever that comes"),
  async () => {
    const facts = await run(`
      const read = (proc) => proc.readTextFile("stat");
      const before = openFds();
      const found = [];
      for (const moment of ["before", "after"]) {
        using child = startUnreaped("exec sleep 60");
        const { pid } = child;
        let newcomer;
        using opening = whenOpening("/proc/" + pid, { [moment]: () => newcomer = replace(child) });
        found.push(outcome(() => child.pidfd.accessProc(read)), opening.done);
        newcomer[Symbol.dispose]();
      }
      {
        using child = startUnreaped("exec sleep 60");
        const inside = [];
        found.push(outcome(() => child.pidfd.accessProc((proc) => {
          read(proc);
          using _newcomer = replace(child);
          inside.push(outcome(() => read(proc)), outcome(() => proc.list()));
        })), ...inside);
      }
      {
        using child = startUnreaped("exec sleep 60");
        const inside = [];
        found.push(await child.pidfd.accessProc(async (proc) => {
          await Promise.resolve();
          using _newcomer = replace(child);
          await Promise.resolve();
          inside.push(outcome(() => read(proc)));
        }).catch(({ code }) => code), ...inside);
      }
      print({ found, leaked: openFds().length - before.length });
    `);
    assertEquals(facts, {
      found: [
        ...["ESRCH", true, "ESRCH", true],
        ...["ESRCH", "ESRCH", "ESRCH"],
        ...["ESRCH", "ESRCH"],
      ],
      leaked: 0,
    });
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.getInfo() and getNamespace() under /proc give nothing of a newcomer"),
  async () => {
    const facts = await run(`
      const before = openFds();
      const found = [];
      for (const [file, read] of Object.entries({
        "status": (pidfd) => pidfd.getInfo(),
        "cgroup": (pidfd) => pidfd.getCgroupId(),
        "mountinfo": (pidfd) => pidfd.getInfo(),
        "/ns/net": (pidfd) => pidfd.getNamespace("net"),
      })) {
        using _info = without(infoIoctl);
        using _namespaces = without(namespaceIoctls);
        for (const moment of ["before", "after"]) {
          using child = startUnreaped("exec sleep 60");
          let newcomer;
          using opening = whenOpening(file, { [moment]: () => newcomer = replace(child) });
          found.push(outcome(() => read(child.pidfd)), opening.done);
          newcomer[Symbol.dispose]();
        }
      }
      print({ found, leaked: openFds().length - before.length });
    `);
    assertEquals(facts, {
      found: Array.from({ length: 8 }, () => ["ESRCH", true]).flat(),
      leaked: 0,
    });
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.fromChild() refuses a newcomer that is a child of ours as well"),
  async () => {
    const facts = await run(`
      const child = startShell("exit 0");
      await child.status;
      using newcomer = startAs(child.pid);
      const before = openFds();
      const refusals = [];
      for (const end of [() => {}, () => {
        newcomer.pidfd.kill();
        blockUntilEnded(newcomer.pid);
      }]) {
        end();
        refusals.push(outcome(() => PidFd.fromChild(child).getPid()));
      }
      print({ refusals, zombie: isZombie(newcomer.pid), leaked: openFds().length - before.length });
    `);
    assertEquals(facts, { refusals: ["ESRCH", "ESRCH"], zombie: true, leaked: 0 });
  },
);

/**
 * Moving into the namespaces of another process, and what is refused. Whatever could move is a
 * program of its own, so that this one stays; an ordinary user's is root in a user namespace.
 *
 * @module
 */

import { assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { setnsPidfd } from "../../ffi/capabilities.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { startUnreaped } from "../support/children.ts";
import { run as runCommand } from "../support/commands.ts";
import { asSomeRoot, inNamespaces, withoutCapability, works } from "../support/privileges.ts";
import { openFds, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const CAPABILITIES = new URL("../../ffi/capabilities.ts", import.meta.url).href;
const SUPPORT = new URL("../support/", import.meta.url).href;

/** The beginning of a program that moves. */
const PROGRAM = `
  import { PidFd } from "@pidfd/util";
  import { namespaceIoctls, setnsPidfd } from "${CAPABILITIES}";
  import { startTalking, startUnreaped } from "${SUPPORT}children.ts";
  import { without } from "${SUPPORT}shadow.ts";

  const links = (pid, kinds) => kinds.map((kind) => Deno.readLinkSync(\`/proc/\${pid}/ns/\${kind}\`));
  const failure = (act) => {
    try {
      act();
      return "it worked";
    } catch (error) {
      return error.message;
    }
  };
  const self = PidFd.fromSelf();

  // Ends the program, which can make no more threads, with the PID that a child has for itself.
  const printPidOfChild = () => {
    using child = startUnreaped("exit $$");
    console.log(child.pidfd.waitSync({ reap: true }).code);
    Deno.exit();
  };
`;

function run(code: string, prefix = asSomeRoot): Promise<unknown> {
  return runForValue(PROGRAM + code, ["--allow-all"], prefix);
}

/** Whether programs can have namespaces of their own here. */
const canMove = works([...asSomeRoot, "unshare", "--net", "--uts", "--ipc", "--cgroup"]);

const hasTime = [...Deno.readDirSync("/proc/self/ns")].some(({ name }) => name === "time");

/** The ways to move, as the lines of a program that choose one. */
const WAYS = {
  "in one call": "",
  "one after another": "using _ = without(setnsPidfd);",
  "one after another, through /proc":
    "using _ = without(setnsPidfd); using __ = without(namespaceIoctls);",
};

for (const [way, choose] of Object.entries(WAYS)) {
  Deno.test(
    needing("unshare", canMove, `PidFd.setNamespace() moves ${way}`),
    async () => {
      const name = `moved-by-${Deno.pid}`;
      const { theirs, before, after, inherited, theirName } = await run(`
        const KINDS = ["cgroup", "ipc", "net", "uts"];
        await using other = startTalking("unshare", [
          ...KINDS.map((kind) => "--" + kind),
          ...["sh", "-c", "echo; read _; cat /proc/sys/kernel/hostname"],
        ]);
        await other.line();
        const pidfd = PidFd.fromChild(other.child);
        const theirs = links(other.child.pid, KINDS);
        const before = links("thread-self", KINDS);
        ${choose}
        pidfd.setNamespace(...KINDS);
        const after = links("thread-self", KINDS);
        const args = KINDS.map((kind) => "/proc/self/ns/" + kind);
        const { stdout } = await new Deno.Command("readlink", { args }).output();
        const inherited = new TextDecoder().decode(stdout).trim().split("\\n");
        const { symbols } = Deno.dlopen("libc.so.6", {
          sethostname: { parameters: ["buffer", "usize"], result: "i32" },
        });
        const name = new TextEncoder().encode("${name}");
        symbols.sethostname(name, BigInt(name.length));
        await other.endInput();
        const theirName = await other.line();
        console.log(JSON.stringify({ theirs, before, after, inherited, theirName }));
      `) as Record<string, string[]>;
      assertEquals(after, theirs);
      assertEquals(inherited, theirs);
      assertEquals(before.filter((link) => theirs.includes(link)), []);
      // What the program did where it had moved is seen there, and not here.
      assertEquals<unknown>(theirName, name);
      assertNotEquals(Deno.hostname(), name);
    },
  );

  Deno.test(
    needing("unshare", canMove, `PidFd.setNamespace("pid") moves children ${way}`),
    async () => {
      const found = await run(`
        const script = "read pid _ < /proc/self/stat; echo $pid; read _";
        const args = ["--pid", "--fork", "sh", "-c", script];
        const other = startTalking("unshare", args);
        const pidfd = PidFd.fromPid(Number(await other.line()));
        ${choose}
        pidfd.setNamespace("pid");
        printPidOfChild();
      `);
      // The first in the namespace is the other one.
      assertEquals(found, 2);
    },
  );

  Deno.test(
    needing(
      "unshare and time namespaces",
      canMove && hasTime,
      `PidFd.setNamespace() says what a thread can't enter ${way}`,
    ),
    async () => {
      const program = `
        ${choose}
        const refusals = ["mnt", "user", "time", "time_for_children"].map((kind) => {
          return failure(() => self.setNamespace(kind));
        });
        console.log(JSON.stringify(refusals));
      `;
      // A mount namespace that an ordinary user has no right to is refused for that reason first.
      const refusals = await run(program, inNamespaces("--mount"));
      const mntOrUser = "setns: EINVAL: Invalid argument " +
        "(a program with threads, such as every Deno program, can't enter mnt or user)";
      const time = "setns: EUSERS: Too many users " +
        "(a program with threads, such as every Deno program, can't enter time)";
      assertEquals(refusals, [mntOrUser, mntOrUser, time, time]);
    },
  );
}

Deno.test(
  needing("unshare", canMove, 'PidFd.setNamespace("pid_for_children") moves children'),
  async () => {
    const found = await run(`
      const args = ["--pid", "--fork", "sh", "-c", "echo; read _"];
      const other = startTalking("unshare", args);
      await other.line();
      const pidfd = PidFd.fromChild(other.child);
      pidfd.setNamespace("pid_for_children");
      printPidOfChild();
    `);
    assertEquals(found, 2);
  },
);

Deno.test(
  needing(
    "root",
    canMove && asSomeRoot.length === 0,
    'PidFd.setNamespace("pid") is left again in the turn that starts a child in there',
  ),
  async () => {
    const found = await run(`
      import { spawn } from "@pidfd/util";
      const script = "read pid _ < /proc/self/stat; echo $pid; read _";
      await using other = startTalking("unshare", ["--pid", "--fork", "sh", "-c", script]);
      using init = PidFd.fromPid(Number(await other.line()));
      init.setNamespace("pid");
      await using child = spawn("sh", { args: ["-c", "exit $$"] });
      self.setNamespace("pid");
      // More than there are threads yet: they can be made again.
      await Promise.all(Array.from({ length: 20 }, () => Deno.stat("/")));
      console.log((await child.status).code);
    `);
    assertEquals(found, 2);
  },
);

Deno.test(
  needing(
    "root",
    canMove && asSomeRoot.length === 0,
    'PidFd.setNamespace("pid") says that there is no way up',
  ),
  async () => {
    const program = `
      import { PidFd } from "${new URL("../../mod.ts", import.meta.url)}";
      try {
        PidFd.fromFd(7).setNamespace("pid");
      } catch ({ message }) {
        console.log(message);
      }
    `;
    using self = PidFd.fromSelf();
    const args = ["--pid", "--fork", Deno.execPath(), "eval", program];
    const { stdout } = await runCommand("unshare", { args, fds: { 7: self } });
    const message = "setns: EINVAL: Invalid argument " +
      "(a PID namespace can be entered only from itself and from above)";
    assertEquals(stdout, `${message}\n`);
  },
);

Deno.test(
  needing(
    "unshare and Linux 5.8",
    canMove && setnsPidfd.available,
    "PidFd.setNamespace() moves into all kinds or into none",
  ),
  async () => {
    const [before, after, refusal] = await run(`
      await using other = startTalking("unshare", ["--uts", "sh", "-c", "echo; read _"]);
      await other.line();
      const pidfd = PidFd.fromChild(other.child);
      const before = links("thread-self", ["uts"]);
      const refusal = failure(() => pidfd.setNamespace("uts", "user"));
      console.log(JSON.stringify([before, links("thread-self", ["uts"]), refusal]));
    `) as string[];
    assertEquals(after, before);
    assertStringIncludes(refusal, "setns: EINVAL");
  },
);

const ordinary = withoutCapability("sys_admin");

Deno.test(
  needing("setpriv", works(ordinary), "PidFd.setNamespace() says what it needs to be allowed"),
  async () => {
    const program = `
      const refusals = [failure(() => self.setNamespace("uts"))];
      ${WAYS["one after another"]}
      refusals.push(failure(() => self.setNamespace("uts")));
      console.log(JSON.stringify(refusals));
    `;
    const message = "setns: EPERM: Operation not permitted " +
      "(this needs CAP_SYS_ADMIN here and in the namespace's user namespace)";
    assertEquals(await run(program, ordinary), [message, message]);
  },
);

Deno.test("PidFd.setNamespace() throws ESRCH for a process that was reaped, and leaves no fd", () => {
  using child = startUnreaped("exit 0");
  child.pidfd.waitSync({ reap: true });
  const before = openFds();
  const refused = () => {
    assertEquals(
      assertThrows(() => child.pidfd.setNamespace("uts", "net"), SyscallError).code,
      "ESRCH",
    );
  };
  refused();
  using _ = without(setnsPidfd);
  refused();
  assertEquals(openFds(), before);
});

Deno.test("PidFd.setNamespace() closes what it has opened if it fails halfway", () => {
  using _ = without(setnsPidfd);
  using self = PidFd.fromSelf();
  const before = openFds();
  // This program can't enter mnt, whoever runs it.
  assertThrows(() => self.setNamespace("mnt", "user", "net"), SyscallError, "setns");
  assertEquals(openFds(), before);
});

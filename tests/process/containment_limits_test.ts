/**
 * What containment can't hold, each with a test that shows it; and where there is no means at all.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { killTree, PidFd, spawn } from "../../mod.ts";
import { ownCgroups } from "../../process/containment.ts";
import { CGROUPS, hasCgroups, OWN_CGROUP } from "../support/cgroups.ts";
import { BY_MARKS, contain, dispose, END, folders, test } from "../support/containment.ts";
import { Runaway } from "../support/escapes.ts";
import { eventually, isRoot, PATIENCE, readStat, ROOT, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark, startTree } from "../support/trees.ts";

/** Ends what has got away after all. */
async function end(runaway: Runaway): Promise<void> {
  for (const pid of runaway.pids()) {
    using pidfd = PidFd.fromPid(pid);
    pidfd.kill();
    await pidfd.exited();
  }
  assertEquals(runaway.pids(), []);
}

test("A daemon that another service starts for a contained child goes on", async (mark) => {
  using folder = new Folder();
  const runaway = new Runaway();
  const orders = folder.at("orders");
  const service = startTree(mark, `mkfifo ${orders}; echo; read -r order <${orders}; $order`);
  await service.lines(1);
  const tree = await contain(mark, `echo '${runaway.command}' >${orders}; echo`);
  await eventually("the service has started it", () => runaway.pids().length === 1);
  await dispose(tree);
  assertEquals(runaway.pids().length, 1);
  await end(runaway);
  await service.child.status;
});

test("A process that sheds what holds it, and then its parent, goes on", async (mark, means) => {
  const runaway = new Runaway();
  const shed = { cgroup: `echo $$ >${OWN_CGROUP}/cgroup.procs`, mark: "ulimit -m 1000" }[means];
  const tree = await contain(mark, `setsid sh -c '${shed}; echo; exec ${runaway.command}' & exit`);
  await tree.child.status;
  await eventually("it has lost its parent", () => runaway.pids().length === 1);
  await dispose(tree);
  assertEquals(runaway.pids().length, 1);
  await end(runaway);
});

Deno.test({
  ...needing(
    CGROUPS,
    ownCgroups.available,
    "A child that leaves its cgroup ends all the same, with its descendants",
  ),
  async fn() {
    const script = `echo $$ >${OWN_CGROUP}/cgroup.procs; sleep 60 & echo $!; wait`;
    for (const isDisposed of [true, false]) {
      await using child = spawn("sh", ["-c", script], { stdout: "piped", contain: true });
      const { value } = await child.stdout.getReader().read();
      const pid = parseInt(new TextDecoder().decode(value));
      if (isDisposed) await deadline(child[Symbol.asyncDispose](), PATIENCE);
      else {
        using root = child.pidfd;
        const { ended } = await deadline(killTree(root), PATIENCE);
        assertEquals(ended.map(({ pid }) => pid).sort(), [child.pid, pid].sort());
      }
      assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGTERM");
      assertEquals(["Z", undefined].includes(readStat(pid)?.state), true);
    }
  },
});

Deno.test("A process that sheds its mark, and keeps its parent, ends all the same", async () => {
  await using mark = new Mark();
  const runaway = new Runaway();
  const script = `sh -c 'ulimit -m 1000; echo; exec ${runaway.command}'; wait`;
  using _ = without(ownCgroups);
  const tree = await contain(mark, script);
  await dispose(tree);
  assertEquals(runaway.pids(), []);
});

Deno.test("contain says what it takes where there is no room for a mark", async () => {
  const code = `
    import { features, spawn } from "@pidfd/util";
    ${BY_MARKS}
    let error;
    try {
      spawn("true", { contain: true });
    } catch (it) {
      error = it;
    }
    console.log(JSON.stringify([features().containment, error.code, error.feature]));
  `;
  const limited = ["sh", "-c", 'ulimit -m 1000; exec "$@"', "sh"];
  const found = await runForValue(code, ["--allow-ffi"], limited);
  assertEquals(found, [false, "ENOTSUP", "containment"]);
});

Deno.test("A contained program can contain others by marks, and ends with all of theirs", async () => {
  await using mark = new Mark();
  const inner = new Runaway();
  const outer = new Runaway();
  const code = `
    import { spawn } from "${ROOT}mod.ts";
    ${BY_MARKS}
    const script = (command) => "env -i setsid sh -c 'echo; exec " + command + "' & exit";
    const start = async (command, contain) => {
      const child = spawn("sh", ["-c", script(command)], { stdout: "piped", contain });
      await child.stdout.getReader().read();
      return child;
    };
    // One that goes on, one that its own disposal ends.
    await start("${inner.command}", true);
    await start("${outer.command}", false);
    const last = await start("${new Runaway().command}", true);
    await last[Symbol.asyncDispose]();
    console.log("ready");
    Deno.exit(0);
  `;
  using _ = without(ownCgroups);
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, code);
  const program = `exec ${Deno.execPath()} run --no-check --allow-ffi ${file}`;
  const tree = await contain(mark, program);
  await tree.child.status;
  await Deno.remove(file);
  assertEquals([inner.pids().length, outer.pids().length], [1, 1]);
  await dispose(tree);
  assertEquals([inner.pids(), outer.pids()], [[], []]);
});

/** How many descriptors are left: none to begin with, and some. */
const FREE = [0, 1, 2, 3];

test(
  "Disposal without descriptors says so, stops nobody, and can be repeated",
  async (mark, means) => {
    const runaway = new Runaway();
    const facts = await runForValue(
      `
    import { spawn } from "@pidfd/util";
    import { eventually, readStat } from "${ROOT}tests/support/processes.ts";
    import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
    ${means === "mark" ? BY_MARKS : ""}
    const script = "setsid sh -c 'echo $$; exec ${runaway.command}' & exit";
    const facts = [];
    for (const free of ${JSON.stringify(FREE)}) {
      const child = spawn("sh", {
        args: ["-c", script],
        env: ${JSON.stringify(mark.env)},
        stdout: "piped",
        contain: true,
        end: { grace: 100 },
      });
      const { value } = await child.stdout.getReader().read();
      const pid = parseInt(new TextDecoder().decode(value));
      await child.status;
      takeAll();
      giveBack(free);
      const code = await child[Symbol.asyncDispose]().then(() => "done", ({ code }) => code);
      const state = readStat(pid)?.state;
      giveBack(200);
      await child[Symbol.asyncDispose]();
      const isGone = ["Z", undefined].includes(readStat(pid)?.state);
      facts.push([["EMFILE", "done"].includes(code), state === "T", isGone]);
    }
    console.log(JSON.stringify(facts));
    Deno.exit();
  `,
      ["--allow-all"],
    );
    assertEquals(facts, FREE.map(() => [true, false, true]));
    assertEquals([runaway.pids(), folders()], [[], []]);
  },
);

Deno.test({
  ...needing(
    CGROUPS,
    ownCgroups.available,
    "More processes than descriptors end together in a cgroup",
  ),
  async fn() {
    const runaway = new Runaway();
    const count = 300;
    const facts = await runForValue(
      `
      import { killTree, spawn } from "@pidfd/util";
      const script = "for i in $(seq ${count}); do ${runaway.command} & done; echo; wait";
      await using child = spawn("sh", ["-c", script], { stdout: "piped", contain: true });
      await child.stdout.getReader().read();
      const { ended, refused, stuck } = await killTree(child.pidfd, { grace: ${PATIENCE} });
      console.log(JSON.stringify([ended.length, refused, stuck]));
    `,
      ["--allow-ffi"],
      ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"],
    );
    assertEquals(facts, [count + 1, [], []]);
    assertEquals(runaway.pids(), []);
  },
});

Deno.test({
  ...needing(CGROUPS, ownCgroups.available, "A cgroup goes on though there is no descriptor left"),
  async fn() {
    const facts = await runForValue(
      `
      import { Cgroup, spawn } from "@pidfd/util";
      import { openFolder } from "${ROOT}process/cgroup.ts";
      import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
      await using cgroup = Cgroup.create();
      await using child = spawn("sleep", ["60"], { cgroup });
      using folder = openFolder("cgroup", cgroup);
      {
        using _ = folder.freeze();
        await folder.until("frozen 1");
        takeAll();
      }
      giveBack(200);
      await folder.until("frozen 0", AbortSignal.timeout(${PATIENCE}));
      console.log(JSON.stringify(child.pidfd.isAlive()));
    `,
      ["--allow-all"],
    );
    assertEquals(facts, true);
  },
});

const AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/** Whether another user can run programs of this project. */
const canRunAsNobody = isRoot && canRun("sh", [
  "-c",
  `${AS_NOBODY} ${Deno.execPath()} --version && ${AS_NOBODY} cat ${ROOT}mod.ts`,
]);

for (const means of ["cgroup", "mark"] as const) {
  Deno.test({
    ...needing(
      `root, setpriv and a project that others may read${means === "mark" ? "" : `, ${CGROUPS}`}`,
      canRunAsNobody && (means === "mark" || hasCgroups),
      `An ordinary user contains by a ${means}`,
    ),
    async fn() {
      const runaway = new Runaway();
      const own = `${OWN_CGROUP}/pidfd-test-${crypto.randomUUID()}`;
      if (means === "cgroup") {
        // As a service manager delegates a part of the tree.
        Deno.mkdirSync(own);
        for (const file of ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"]) {
          Deno.chownSync(own + file, 65534, 65534);
        }
      }
      const enter = means === "cgroup" ? `echo $$ >${own}/cgroup.procs;` : "";
      const prefix = [
        ...["sh", "-c"],
        `${enter} for last; do :; done; chmod 644 "$last"; export DENO_DIR=$(mktemp -d); ` +
        `chown 65534 $DENO_DIR; ${AS_NOBODY} "$@"; status=$?; rm -r $DENO_DIR; exit $status`,
        "sh",
      ];
      const code = `
        import { features, spawn } from "@pidfd/util";
        const script = "env -i setsid sh -c 'echo; exec ${runaway.command}' & exit";
        const child = spawn("sh", ["-c", script], {
          stdout: "piped",
          contain: true,
          end: { grace: ${END.grace} },
        });
        await child.stdout.getReader().read();
        await child.status;
        await child[Symbol.asyncDispose]();
        console.log(JSON.stringify(features().containment));
      `;
      try {
        assertEquals(await runForValue(code, ["--allow-ffi"], prefix), means);
        assertEquals(runaway.pids(), []);
      } finally {
        if (means === "cgroup") {
          await eventually("nobody is in it", () => {
            return Deno.readTextFileSync(`${own}/cgroup.events`).includes("populated 0");
          });
          // Nothing was left below it, or it couldn't be removed.
          Deno.removeSync(own);
        }
      }
    },
  });
}

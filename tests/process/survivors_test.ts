/**
 * What outlives a program that is killed by SIGKILL, by the means that it has taken: README's table.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, features, spawn, type SpawnOptions } from "../../mod.ts";
import { ownCgroups } from "../../process/containment.ts";
import { CGROUPS, hasCgroups, OWN_CGROUP, TestCgroup } from "../support/cgroups.ts";
import { BY_MARKS, folders, removeFolder } from "../support/containment.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { eventually, PATIENCE, ROOT } from "../support/processes.ts";
import { startProgram } from "../support/programs.ts";
import { needing } from "../support/skip.ts";
import { Mark } from "../support/trees.ts";

/** A shell's command that leaves a job in the background and a daemon beside it. */
const COMMAND = "sleep 61 & setsid sleep 62 & echo started; exec sleep 60";
const CHILD = "sleep 60";
const DESCENDANTS = ["sleep 61", "sleep 62"];

/** The commands that a mark is on. */
function commandsOf(mark: Mark): string[] {
  const commands = mark.pids().map((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  });
  return commands.filter((command) => command.startsWith("sleep")).sort();
}

/**
 * Kills a program that has started the command, and checks who is left.
 *
 * @param prefix What executes the command.
 * @param end What ends those that are left.
 * @param before What the program does first.
 */
async function assertSurvivors(
  options: SpawnOptions,
  survivors: readonly string[],
  prefix: readonly string[] = [],
  end?: (program: number) => void,
  before = "",
): Promise<void> {
  await using mark = new Mark();
  const [command, ...args] = [...prefix, "sh", "-c", COMMAND];
  const all = { ...options, args, env: mark.env, stdin: "null", stdout: "piped" };
  await using program = startProgram(`
    import { spawn } from "${ROOT}mod.ts";
    ${before}
    const child = spawn(${JSON.stringify(command)}, ${JSON.stringify(all)});
    await child.stdout.getReader().read();
    console.log("started");
    await child.status;
  `);
  assertEquals(await program.line(), "started");
  await eventually("all have begun", () => commandsOf(mark).length === 3);
  program.child.kill("SIGKILL");
  await deadline(program.child.status, PATIENCE);
  await eventually("the others have ended", () => commandsOf(mark).length <= survivors.length);
  assertEquals(commandsOf(mark), survivors);
  if (end === undefined) return;
  end(program.child.pid);
  await eventually("those that were left have ended", () => mark.pids().length === 0);
}

Deno.test("SIGKILL leaves a program's child and all that it has started", async () => {
  await assertSurvivors({}, [CHILD, ...DESCENDANTS]);
});

/** What ends the child. */
const MEANS: { options: SpawnOptions; isThere: boolean; needs: string }[] = [
  { options: { parentDeathSignal: "SIGKILL" }, isThere: true, needs: "nothing" },
  { options: { killOnClose: true }, isThere: features().killOnClose, needs: "Linux 7.1" },
];

const IN_PID_NAMESPACE = inNamespaces("--pid", "--fork", "--kill-child");
const canUnshare = works(IN_PID_NAMESPACE);

for (const { options, isThere, needs } of MEANS) {
  const [means] = Object.keys(options);
  Deno.test({
    ...needing(needs, isThere, `SIGKILL ends the child with ${means}, and not its descendants`),
    fn: () => assertSurvivors(options, DESCENDANTS),
  });
  Deno.test({
    ...needing(
      `${needs}, unshare --pid`,
      isThere && canUnshare,
      `SIGKILL leaves nothing of a PID namespace with ${means}`,
    ),
    fn: () => assertSurvivors(options, [], IN_PID_NAMESPACE),
  });
}

const ENDS: Record<string, (child: Child, controller: AbortController) => Promise<unknown>> = {
  "A disposal": (child) => child[Symbol.asyncDispose](),
  "An abort": (child, controller) => {
    controller.abort();
    return child.status;
  },
};

for (const [how, end] of Object.entries(ENDS)) {
  Deno.test({
    ...needing("unshare --pid", canUnshare, `${how} leaves nothing of a PID namespace`),
    async fn() {
      await using mark = new Mark();
      const [command, ...args] = [...IN_PID_NAMESPACE, "sh", "-c", COMMAND];
      const controller = new AbortController();
      const child = spawn(command, {
        ...{ args, env: mark.env, stdin: "null", stdout: "null" },
        ...{ signal: controller.signal, end: { grace: 1 } },
      });
      await eventually("all have begun", () => commandsOf(mark).length === 3);
      await deadline(end(child, controller), PATIENCE);
      await eventually("all have ended", () => mark.pids().length === 0);
    },
  });
}

Deno.test({
  ...needing(CGROUPS, ownCgroups.available, "SIGKILL leaves what a cgroup contains, in one place"),
  async fn() {
    let folder = "";
    await assertSurvivors({ contain: true }, [CHILD, ...DESCENDANTS], [], (pid) => {
      const [name, ...others] = folders(pid);
      assertEquals(others, []);
      folder = name;
      Deno.writeTextFileSync(`${OWN_CGROUP}/${name}/cgroup.kill`, "1");
    });
    await removeFolder(folder);
  },
});

Deno.test("SIGKILL leaves what a mark contains", async () => {
  await assertSurvivors({ contain: true }, [CHILD, ...DESCENDANTS], [], undefined, BY_MARKS);
});

Deno.test({
  ...needing(CGROUPS, hasCgroups, "SIGKILL leaves all in a cgroup, where they can be ended"),
  async fn() {
    await using cgroup = new TestCgroup();
    const end = () => Deno.writeTextFileSync(`${cgroup.path}/cgroup.kill`, "1");
    await assertSurvivors({ cgroup: cgroup.path }, [CHILD, ...DESCENDANTS], [], end);
  },
});

/**
 * `pidfd info`: what it prints is what the library says.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PidFd } from "../../mod.ts";
import { isZombie, startHeld, startTalking, startUnreaped } from "../support/children.ts";
import { objectsOf, output, shownCommand } from "../support/cli.ts";
import { FOREIGNERS, startForeigner } from "../support/foreigner.ts";
import { inNamespaces, withoutCapability, works } from "../support/privileges.ts";
import { eventually } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

const KINDS = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] as const;

/** The facts below a heading, by their names. */
function factsOf(lines: string[]): Record<string, string> {
  return Object.fromEntries(lines.map((line) => [line.slice(2, 15).trim(), line.slice(15)]));
}

/** A number as JSON has it where it doesn't fit into one of JavaScript's. */
function written(number: bigint | null): string | null {
  return number === null ? null : String(number);
}

Deno.test("pidfd info tells who a process is", async () => {
  await using held = startHeld();
  const { pid } = held.child;
  using handle = PidFd.fromChild(held.child);
  const { id, cgroupId, creds } = handle.getInfo();
  const command = await shownCommand(pid);
  const [heading, ...lines] = (await output(["info", String(pid)])).trimEnd().split("\n");
  assertEquals(heading, `${pid} ${command}`);
  assertEquals(factsOf(lines), {
    state: "alive",
    ref: id === null ? "needs Linux 6.9" : `${pid}:${id}`,
    parent: String(Deno.pid),
    user: `${creds.ruid} real, ${creds.euid} effective`,
    group: `${creds.rgid} real, ${creds.egid} effective`,
    cgroup: written(cgroupId) ?? "not to be seen from here",
    namespaces: "shared with this program",
  });
});

Deno.test("pidfd info --json prints an object for each process", async () => {
  await using one = startHeld();
  await using other = startHeld();
  const children = [one, other].map(({ child }) => child);
  const commands = await Promise.all(children.map(({ pid }) => shownCommand(pid)));
  const stdout = await output(["info", "--json", ...children.map(({ pid }) => String(pid))]);
  const expected = children.map((child, i) => {
    using handle = PidFd.fromChild(child);
    const { id, cgroupId, ...rest } = handle.getInfo();
    const inode = (kind: typeof KINDS[number]) => {
      using namespace = handle.getNamespace(kind);
      return String(namespace.inode());
    };
    return {
      ref: String(child.pid),
      ...rest,
      id: written(id),
      cgroupId: written(cgroupId),
      alive: true,
      command: commands[i],
      namespaces: Object.fromEntries(KINDS.map((kind) => [kind, inode(kind)])),
    };
  });
  assertEquals(objectsOf(stdout), expected);
});

Deno.test("pidfd info tells of a zombie that it ended", async () => {
  using zombie = startUnreaped("exit 7");
  await eventually("it ended", () => isZombie(zombie.pid));
  const [heading, ...lines] = (await output(["info", String(zombie.pid)])).trimEnd().split("\n");
  assertEquals(heading, `${zombie.pid} [sh]`);
  const { state, parent } = factsOf(lines);
  assertEquals([state, parent], ["ended, and not yet reaped by its parent", String(Deno.pid)]);
  const [object] = objectsOf(await output(["info", "--json", String(zombie.pid)]));
  assertEquals(object.alive, false);
});

Deno.test("pidfd info says which kernel it takes to have a reference", async () => {
  const options = { onOldSystem: true };
  const [, ...lines] = (await output(["info", String(Deno.pid)], options)).trimEnd().split("\n");
  assertEquals(factsOf(lines).ref, "needs Linux 6.9");
  const [object] = objectsOf(await output(["info", "--json", String(Deno.pid)], options));
  assertEquals([object.pid, object.id], [Deno.pid, null]);
});

const ELSEWHERE = inNamespaces("--uts", "--ipc");

Deno.test(
  needing("unshare, and the right to", works(ELSEWHERE), "pidfd info tells namespaces of its own"),
  async () => {
    const [command, ...args] = [...ELSEWHERE, "sh", "-c", "echo; read _"];
    await using elsewhere = startTalking(command, args);
    await elsewhere.line();
    const stdout = await output(["info", String(elsewhere.child.pid)]);
    assertMatch(stdout, /namespaces {3}its own: ipc, (user, )?uts\n$/);
  },
);

Deno.test(needing(...FOREIGNERS, "pidfd info tells what is hidden of other users"), async () => {
  await using foreigner = await startForeigner();
  const { pid } = foreigner;
  const options = { prefix: withoutCapability("sys_ptrace") };
  const stdout = await output(["info", String(pid)], options);
  const hidden = KINDS.join(", ");
  assertStringIncludes(stdout, `namespaces   not to be seen from here: ${hidden}\n`);
  const [{ creds, namespaces }] = objectsOf(await output(["info", "--json", String(pid)], options));
  assertEquals((creds as { euid: number }).euid, Deno.statSync(`/proc/${pid}`).uid);
  assertEquals(namespaces, Object.fromEntries(KINDS.map((kind) => [kind, null])));
});

Deno.test("pidfd info shows any command in one line, as it is", async () => {
  await using talking = startTalking("sh", ["-c", "read _", "100% %s %d %%\nsecond\x1b[2J"]);
  const [heading, next] = (await output(["info", String(talking.child.pid)])).split("\n");
  assertMatch(heading, /^\P{Cc}*100% %s %d %%\P{Cc}+second\P{Cc}*$/u);
  assertMatch(next, /^ {2}state /);
});

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

/** The path of a process's cgroup; null where there is no cgroup (version 2). */
function cgroupOf(pid: number): string | null {
  return /^0::(.*)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/cgroup`))?.[1] ?? null;
}

/** prlimit(1)'s names, in the order of proc_pid_limits(5). */
const LIMITS = "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue " +
  "nice rtprio rttime";

/** The limits of a process. */
function limitsOf(pid: number): Record<string, { soft: number | null; hard: number | null }> {
  const [, ...lines] = Deno.readTextFileSync(`/proc/${pid}/limits`).trimEnd().split("\n");
  const value = (text: string) => text === "unlimited" ? null : Number(text);
  return Object.fromEntries(
    LIMITS.split(" ").map((name, i) => {
      const [soft, hard] = lines[i].slice(26).trim().split(/\s+/);
      return [name, { soft: value(soft), hard: value(hard) }];
    }),
  );
}

Deno.test("pidfd info tells who a process is", async () => {
  await using held = startHeld();
  const { pid } = held.child;
  using handle = PidFd.fromChild(held.child);
  const { id, creds } = handle.getInfo();
  const command = await shownCommand(pid);
  const [heading, ...lines] = (await output(["info", String(pid)])).trimEnd().split("\n");
  assertEquals(heading, `${pid} ${command}`);
  assertEquals(factsOf(lines), {
    state: "alive",
    ref: id === null ? "needs Linux 6.9" : `${pid}:${id}`,
    parent: String(Deno.pid),
    user: `${creds.ruid} real, ${creds.euid} effective`,
    group: `${creds.rgid} real, ${creds.egid} effective`,
    cgroup: cgroupOf(pid) ?? "not to be seen from here",
    namespaces: "shared with this program",
    limits: Object.entries(limitsOf(pid)).filter(([, { soft }]) => soft !== null)
      .map(([name, { soft, hard }]) =>
        `${name} ${soft === hard ? soft : `${soft}:${hard ?? "unlimited"}`}`
      ).join(", "),
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
    const { id, cgroupId, pid, ppid, creds } = handle.getInfo();
    const inode = (kind: typeof KINDS[number]) => {
      using namespace = handle.getNamespace(kind);
      return String(namespace.inode());
    };
    return {
      ref: id === null ? `${pid}` : `${pid}:${id}`,
      pid,
      id: written(id),
      command: commands[i],
      ppid,
      alive: true,
      creds,
      cgroup: cgroupOf(pid),
      cgroupId: written(cgroupId),
      namespaces: Object.fromEntries(KINDS.map((kind) => [kind, inode(kind)])),
      limits: limitsOf(pid),
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
    assertMatch(stdout, /namespaces {3}its own: ipc, (user, )?uts\n/);
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

Deno.test("pidfd info and kill show no character that turns the order of others", async () => {
  const bidi =
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029";
  await using talking = startTalking("sh", ["-c", "read _; read _", `safe${bidi}txt`]);
  const pid = String(talking.child.pid);
  assertStringIncludes(await output(["info", pid]), `safe${"?".repeat(bidi.length)}txt`);
  assertStringIncludes(await output(["kill", "--tree", pid]), `safe${"?".repeat(bidi.length)}txt`);
});

Deno.test("pidfd info shows any command in one line, as it is", async () => {
  await using talking = startTalking("sh", ["-c", "read _", "100% %s %d %%\nsecond\x1b[2J"]);
  const [heading, next] = (await output(["info", String(talking.child.pid)])).split("\n");
  assertMatch(heading, /^\P{Cc}*100% %s %d %%\P{Cc}+second\P{Cc}*$/u);
  assertMatch(next, /^ {2}state /);
});

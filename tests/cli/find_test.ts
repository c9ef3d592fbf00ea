/**
 * `pidfd find` and `pidfd tree`: references for all other commands.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import type { Process } from "../../cli/all_processes.ts";
import { branchesOf } from "../../cli/tree.ts";
import { PidFd } from "../../mod.ts";
import { startHeld, startShell } from "../support/children.ts";
import {
  assertFails,
  commandLine,
  objectsOf,
  output,
  pidfd,
  shownCommand,
} from "../support/cli.ts";
import { eventually, isRoot, PATIENCE } from "../support/processes.ts";
import { readProc } from "../support/proc.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark, startBranching } from "../support/trees.ts";

/** A program with a name that nothing else has. */
class Program implements AsyncDisposable {
  readonly name: string = `t${crypto.randomUUID().slice(0, 8)}`;
  readonly #folder = new Folder();
  readonly #children: Deno.ChildProcess[] = [];

  constructor() {
    Deno.symlinkSync(Deno.realPathSync("/bin/sleep"), this.#folder.at(this.name));
  }

  /** Starts it, and resolves with its PID and its reference once it runs under its name. */
  async start(): Promise<{ child: Deno.ChildProcess; pid: number; ref: string }> {
    const child = new Deno.Command(this.#folder.at(this.name), { args: ["60"] }).spawn();
    this.#children.push(child);
    using pidfd = PidFd.fromChild(child);
    const id = pidfd.getInfo().id;
    await eventually("it runs", () => readProc(`${child.pid}/comm`) === `${this.name}\n`);
    return { child, pid: child.pid, ref: id === null ? `${child.pid}` : `${child.pid}:${id}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    }
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("pidfd find prints references of processes by their names", async () => {
  await using program = new Program();
  const [one, other] = [await program.start(), await program.start()];
  const refs = [one, other].sort((a, b) => a.pid - b.pid).map(({ ref }) => `${ref}\n`).join("");
  const part = program.name.slice(1);
  for (const args of [[program.name], [part], ["-x", program.name], ["-f", `${part} 60$`]]) {
    assertEquals(await output(["find", ...args]), refs, args.join(" "));
  }
  assertMatch(await output(["find", "-l", part]), /^\d+(:\d+)? \S+ 60\n\d+(:\d+)? \S+ 60\n$/);
});

Deno.test("pidfd find exits with 127 and says nothing if there is none", async () => {
  await using program = new Program();
  await program.start();
  const part = program.name.slice(1);
  for (const args of [["-x", part], [`${part} 60`], ["no such process"], ["-u", "65533", part]]) {
    assertEquals(await pidfd(["find", ...args]), { code: 127, stdout: "", stderr: "" });
  }
});

Deno.test("pidfd find doesn't find itself", async () => {
  const pattern = crypto.randomUUID();
  assertEquals((await pidfd(["find", "-f", pattern])).code, 127);
});

Deno.test("pidfd find --user finds a user's processes, by name and ID", async () => {
  await using program = new Program();
  const { ref } = await program.start();
  const { stdout } = new Deno.Command("id", { args: ["-un"] }).outputSync();
  const user = new TextDecoder().decode(stdout).trim();
  for (const name of [user, String(Deno.uid())]) {
    assertEquals(await output(["find", "-u", name, program.name]), `${ref}\n`);
  }
  const all = (await output(["find", "--user", user])).split("\n");
  assertEquals(all.includes(ref), true);
});

Deno.test("pidfd find --json prints an object for each", async () => {
  await using program = new Program();
  const { pid, ref } = await program.start();
  const [object, ...more] = objectsOf(await output(["find", "--json", program.name]));
  const { command, id, creds, ...rest } = object;
  assertEquals([rest, more], [{ ref, pid, ppid: Deno.pid }, []]);
  assertEquals(command, await shownCommand(pid));
  assertEquals(id === null ? ref : `${pid}:${id}`, ref);
  assertEquals((creds as { euid: number }).euid, Deno.uid());
});

Deno.test("pidfd find says what is wrong with its arguments", async () => {
  await assertFails(["find"], 125, /a pattern is needed, or --user/);
  await assertFails(["find", "a", "b"], 125, /one pattern at a time: b/);
  await assertFails(["find", "("], 125, /Invalid regular expression/);
  await assertFails(["find", "-u", "no-such-user", "x"], 125, /there is no user "no-such-user"/);
});

Deno.test("pidfd find names processes for pidfd kill and pidfd wait, with no PID between", async () => {
  await using program = new Program();
  const started = [await program.start(), await program.start()];
  const line = (args: string[]) => commandLine(args).join(" ");
  const script = `${line(["find", program.name])} | ${line(["kill", "-INT", "-"])}`;
  const { code } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assertEquals(code, 0);
  const ends = await deadline(Promise.all(started.map(({ child }) => child.status)), PATIENCE);
  assertEquals(ends.map(({ signal }) => signal), ["SIGINT", "SIGINT"]);
});

Deno.test("pidfd tree draws a process with all its descendants", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 2, 2);
  const stdout = await output(["tree", String(tree.child.pid)]);
  const lines = stdout.trimEnd().split("\n");
  const pids = lines.map((line) => Number(/^[│├└─ ]*(\d+)(?::\d+)? \S/.exec(line)?.[1]));
  assertEquals(pids.toSorted((a, b) => a - b), tree.pids);
  const shape = lines.map((line) => line.replace(/\d.*$/, "."));
  const branch = (first: string, under: string) => [`${first}.`, `${under}├─ .`, `${under}└─ .`];
  assertEquals(shape, [".", ...branch("├─ ", "│  "), ...branch("└─ ", "   ")]);
});

Deno.test("pidfd tree --json prints parents before their children", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 1, 3);
  const objects = objectsOf(await output(["tree", "--json", String(tree.child.pid)]));
  assertEquals(objects.map(({ pid }) => Number(pid)).toSorted((a, b) => a - b), tree.pids);
  const seen = new Set<unknown>([Deno.pid]);
  for (const { pid, ppid, ref, id } of objects) {
    assertEquals(seen.has(ppid), true);
    assertEquals(ref, id === null ? `${pid}` : `${pid}:${id}`);
    seen.add(pid);
  }
});

Deno.test("pidfd tree without a process draws all", async () => {
  const child = startShell("exec sleep 60");
  try {
    const lines = (await output(["tree"])).split("\n");
    const at = (pid: number) =>
      lines.findIndex((line) => new RegExp(`^\\W*${pid}(:| )`).test(line));
    assertEquals(at(Deno.pid) >= 0 && at(Deno.pid) < at(child.pid), true);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});

Deno.test("branchesOf() has every process once, wherever its parent is", () => {
  const process = (pid: number, ppid: number) => ({ pid, ppid }) as Process;
  const list = [process(1, 0), process(2, 0), process(5, 1), process(7, 5), process(9, 8)];
  const shown = (branches: readonly ReturnType<typeof branchesOf>[number][]): unknown[] =>
    branches.map(({ process, children }) => [process.pid, ...shown(children)]);
  assertEquals(shown(branchesOf(list)), [[1, [5, [7]]], [2], [9]]);
});

Deno.test("pidfd find says why a long name matches nothing", async () => {
  const hint = /^pidfd: no name is longer than 15 bytes; --full looks at whole command lines$/m;
  await assertFails(["find", "sixteen-letters-"], 127, hint);
  for (const pattern of ["fifteen-letters", "a{30}bcdefghijklmno"]) {
    const { code, stderr } = await pidfd(["find", pattern]);
    assertEquals([code, stderr], [127, ""]);
  }
});

Deno.test({
  ...needing(
    "root, and setpriv",
    isRoot && canRun("setpriv", ["--version"]),
    "pidfd find shows other users' processes as well",
  ),
  async fn() {
    await using held = startHeld();
    const prefix = [
      "setpriv",
      "--reuid=65534",
      "--clear-groups",
      "env",
      "DENO_DIR=/tmp/pidfd-find",
    ];
    try {
      const options = { prefix };
      const lines = (await output(["find", "-u", "0", ""], options)).split("\n");
      assertEquals(lines.some((line) => line.startsWith(`${held.child.pid}`)), true);
    } finally {
      await Deno.remove("/tmp/pidfd-find", { recursive: true }).catch(() => {});
    }
  },
});

/**
 * The main job as a new user sees it first: `deno task demo`.
 *
 * @module
 */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { pidfsIds } from "../../ffi/capabilities.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { PATIENCE, ROOT } from "../support/processes.ts";

/** What the demo prints below each heading, by the names at the beginnings of the lines. */
type Report = Record<string, Record<string, string>>;

/** Where the names of the lines end. */
const NAMES = 15;

function parse(text: string): Report {
  const report: Report = {};
  for (const block of text.trim().split("\n\n")) {
    const [heading, ...lines] = block.split("\n");
    report[heading] = Object.fromEntries(
      lines.map((line) => [line.slice(2, NAMES).trim(), line.slice(NAMES)]),
    );
  }
  return report;
}

/** Runs the demo to its end; an error of the demo is one of the test. */
async function runDemo(): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  });
  const { code, stdout, stderr } = await deadline(command.output(), PATIENCE);
  const text = new TextDecoder();
  assertEquals([code, text.decode(stderr)], [0, ""]);
  return text.decode(stdout);
}

/** The file that `sleep` is in the end, where it is a link. */
function sleepPath(): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", "command -v sleep"] }).outputSync();
  return Deno.realPathSync(new TextDecoder().decode(stdout).trim());
}

Deno.test("the demo tells who a process is, ends it, and leaves nothing behind", async () => {
  const report = parse(await runDemo());
  const [started, namespaces, ended, gone] = Object.keys(report);
  assertMatch(started, /^Started, and held as file descriptor \d+$/);
  assertEquals([namespaces, ended, gone], [
    "Its namespaces",
    "Asked to end with SIGTERM",
    "And now that it is gone",
  ]);

  const { program, pid, parent, id, user, group, cgroup } = report[started];
  assertEquals(program, sleepPath());
  assertMatch(pid, /^[1-9]\d*$/);
  assertMatch(parent, /^[1-9]\d* \(this program\)$/);
  assertMatch(id, pidfsIds.available ? /^\d+, unique until the next boot$/ : /^needs Linux 6.9$/);
  assertEquals(user, `${Deno.uid()} real, ${Deno.uid()} effective`);
  assertEquals(group, `${Deno.gid()} real, ${Deno.gid()} effective`);
  assertMatch(cgroup, /^(\d+|not to be seen from here)$/);

  const kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
  const ours = kinds.map((kind) => [
    kind,
    `${Deno.statSync(`/proc/self/ns/${kind}`).ino}, shared with this program`,
  ]);
  assertEquals(report[namespaces], Object.fromEntries(ours));

  assertMatch(report[ended]["ended after"], /^\d+\.\d ms$/);
  assertEquals(report[ended]["signal"], "SIGTERM");
  assertEquals(report[ended]["exit code"], "143, as a shell would say");
  assertEquals(report[gone], {
    "a signal": `ESRCH: it can't hit the next process with PID ${pid}`,
  });
  // Its output has ended, and so nothing has that open any more. Nor has it left a zombie.
  if (pidfsIds.available) {
    const reopen = () => PidFd.fromPid(Number(pid), { id: BigInt(parseInt(id)) });
    assertEquals(assertThrows(reopen, SyscallError).code, "ESRCH");
  }
});

Deno.test("the demo is allowed nothing but FFI", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  assertEquals(tasks.demo.command, "deno run --allow-ffi examples/quickstart.ts");
});

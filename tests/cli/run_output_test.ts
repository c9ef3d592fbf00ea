/**
 * `pidfd run` and `pidfd wait` keep their limits whatever becomes of what they write.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { startHeld } from "../support/children.ts";
import { commandLine, start } from "../support/cli.ts";
import { Folder } from "../support/sockets.ts";
import { needing } from "../support/skip.ts";
import { TERMINAL, Terminal } from "../support/terminal.ts";
import { PATIENCE } from "../support/processes.ts";

/** How much a pipe holds. pipe(7) */
const CAPACITY = 65_536;
/** What nothing here may take as long as. */
const LONG = PATIENCE / 1000 * 2;

/** A prefix by which a command has standard error (2) or output (1) that nobody can write to. */
function broken(stream: 1 | 2, how: string, fifo: string): string[] {
  const ways: Record<string, string> = {
    "a full disk": `exec "$@" ${stream}>/dev/full`,
    "closed": `exec "$@" ${stream}>&-`,
    "a full pipe that nobody reads":
      `exec 3<>"$0"; head -c ${CAPACITY} /dev/zero >&3; exec "$@" ${stream}>&3 3>&-`,
  };
  return ["sh", "-c", ways[how], fifo];
}

for (const how of ["a full disk", "closed", "a full pipe that nobody reads"]) {
  Deno.test(`pidfd run --timeout ends all in time if standard error is ${how}`, async () => {
    using folder = new Folder();
    const fifo = makeFifo(folder);
    const script = `trap '' TERM; sleep ${LONG} & sleep ${LONG}; :`;
    const args = ["run", "--timeout=200ms", "--grace=100ms", "sh", "-c", script];
    await using cli = start(args, { prefix: broken(2, how, fifo) });
    assertEquals((await cli.finished()).code, 124);
    assertEquals(cli.left(), []);
  });

  Deno.test(`pidfd run ends all on SIGTERM if standard error is ${how}`, async () => {
    using folder = new Folder();
    const script = `trap '' TERM; echo; sleep ${LONG} & sleep ${LONG}; :`;
    const args = ["run", "--grace=100ms", "sh", "-c", script];
    await using cli = start(args, { prefix: broken(2, how, makeFifo(folder)) });
    await cli.line();
    cli.kill("SIGTERM");
    assertEquals((await cli.finished()).code, 137);
    assertEquals(cli.left(), []);
  });
}

Deno.test("pidfd wait --any is over with the first end if its output has no room", async () => {
  await using ends = startHeld(7);
  await using stays = startHeld();
  const [first, second] = [ends, stays].map(({ child }) => child.pid);
  const options = { prefix: broken(1, "a full disk", "") };
  await using cli = start(["wait", "--any", `${first}`, `${second}`], options);
  await cli.waitsFor(first, second);
  ends.exit();
  const { code, stderr } = await cli.finished();
  assertEquals(code, 125);
  assertMatch(stderr, /^pidfd: standard output: No space left on device.*\n$/);
});

Deno.test("pidfd wait --timeout keeps to its time if nobody reads its output", async () => {
  using folder = new Folder();
  await using ends = startHeld(7);
  await using stays = startHeld();
  const [first, second] = [ends, stays].map(({ child }) => child.pid);
  const options = { prefix: broken(1, "a full pipe that nobody reads", makeFifo(folder)) };
  await using cli = start(["wait", "--timeout=1s", `${first}`, `${second}`], options);
  await cli.waitsFor(first, second);
  ends.exit();
  const { code, stderr } = await cli.finished();
  assertEquals(code, 125);
  assertMatch(
    stderr,
    /timed out after 1s, still running: .*\npidfd: standard output: nobody reads/,
  );
});

Deno.test({
  ...needing(...TERMINAL, "pidfd run --timeout keeps to its time on a terminal that was stopped"),
  async fn() {
    const script = "trap '' TERM; printf ready; while :; do sleep 0.01; done";
    const args = ["run", "--timeout=1s", "--grace=100ms", "sh", "-c", script];
    await using terminal = new Terminal(commandLine(args));
    await terminal.shows(/ready/);
    // Ctrl-S
    await terminal.type("\x13");
    assertEquals(await terminal.ended(), 124);
    assertEquals(terminal.left(), []);
  },
});

Deno.test("pidfd features exits as after SIGPIPE, without a word, if nobody reads it", async () => {
  const prefix = ["bash", "-c", '{ sleep 0.5; "$@"; echo "code $?" >&2; } | true', "bash"];
  await using cli = start(["features"], { prefix });
  assertEquals((await cli.finished()).stderr, "code 141\n");
});

function makeFifo(folder: Folder): string {
  const path = folder.at("fifo");
  const { success } = new Deno.Command("mkfifo", { args: [path] }).outputSync();
  assertEquals(success, true);
  return path;
}

/**
 * `pidfd run` keeps its limits, and `pidfd info` its results, with a fault at each write in turn, which
 * strace(1) puts in.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { start } from "../support/cli.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

const STRACE = [
  "strace, and the right to trace",
  canRun("strace", ["-f", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"]),
] as const;

/** A prefix by which writes to a file that is a stream's fail. */
function failing(stream: 1 | 2, file: string, error: string, when: string): string[] {
  const fault = `inject=write:error=${error}:when=${when}`;
  const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", file, "-e", fault];
  return [...strace, "sh", "-c", `exec "$@" ${stream}>"$0"`, file];
}

for (const error of ["EPIPE", "ENOSPC", "EIO", "EAGAIN"]) {
  for (const when of ["1", "2", "1+"] as const) {
    Deno.test({
      ...needing(...STRACE, `pidfd run keeps its limits with ${error} at its writes ${when}`),
      async fn() {
        using folder = new Folder();
        const file = folder.at("stderr");
        const script = "trap '' TERM; while :; do sleep 0.05; done";
        const args = ["run", "--timeout=200ms", "--grace=200ms", "sh", "-c", script];
        await using cli = start(args, { prefix: failing(2, file, error, when) });
        assertEquals((await cli.finished()).code, 124);
        assertEquals(cli.left(), []);
        const words = Deno.readTextFileSync(file);
        const first = "pidfd: ending after 200ms…\n";
        const second = "pidfd: killed after 200ms more\n";
        // What can't be written at once is tried again, all else is lost. strace counts the writes of
        // each thread.
        const lost = { "1": ["", second], "2": [first, first + second], "1+": [""] };
        const isKept = error === "EAGAIN" && when !== "1+";
        const possible = isKept ? [first + second] : lost[when];
        assertEquals(possible.includes(words), true, words);
      },
    });
  }
}

for (const error of ["ENOSPC", "EIO", "EAGAIN"]) {
  Deno.test({
    ...needing(...STRACE, `pidfd info tells that its output is lost by ${error}, or keeps it`),
    async fn() {
      using folder = new Folder();
      const file = folder.at("stdout");
      const prefix = failing(1, file, error, "1");
      await using cli = start(["info", "--json", `${Deno.pid}`], { prefix });
      const { code, stderr } = await cli.finished();
      const isKept = error === "EAGAIN";
      if (!isKept) assertMatch(stderr, /^pidfd: standard output: /);
      assertEquals([isKept || code === 125, stderr === ""], [true, isKept]);
      assertEquals(Deno.readTextFileSync(file) === "", !isKept);
    },
  });
}

/**
 * `pidfd run` as the first process of a PID namespace, as a container has it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { start } from "../support/cli.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { needing } from "../support/skip.ts";

const AS_FIRST = inNamespaces("--pid", "--fork", "--mount-proc", "--kill-child");
const NEEDED = ["unshare, and the right to", works(AS_FIRST)] as const;

Deno.test(needing(...NEEDED, "pidfd run as PID 1 reaps what it inherits"), async () => {
  // Zombies are in state Z. Three that lose their parents, and end then.
  const orphans = "for i in 1 2 3; do (sleep 0.1 &); done; sleep 0.5";
  const script = `${orphans}; cat /proc/[0-9]*/stat | grep -c ') Z '; echo $PPID; exit 7`;
  await using cli = start(["run", "sh", "-c", script], { prefix: AS_FIRST });
  assertEquals(await cli.finished(), { code: 7, stdout: "0\n1\n", stderr: "" });
  assertEquals(cli.left(), []);
});

Deno.test(needing(...NEEDED, "pidfd run as PID 1 ends all when the time is up"), async () => {
  const script = "(setsid sleep 60 &); trap '' TERM; sleep 60 & sleep 60; :";
  const args = ["run", "-t", "0.3", "-k", "0.1", "sh", "-c", script];
  await using cli = start(args, { prefix: AS_FIRST });
  const { code, stderr } = await cli.finished();
  assertEquals([code, cli.left()], [124, []]);
  assertEquals(stderr, "pidfd: ending after 0.3s…\npidfd: killed after 0.1s more\n");
});

Deno.test(
  needing(...NEEDED, "pidfd run as PID 1 heeds signals, which the kernel spares it"),
  async () => {
    // From inside: the kernel lets PID 1 get only those that it has a handler for.
    const script = "trap 'echo got TERM; exit 3' TERM; kill -TERM 1; while :; do sleep 0.01; done";
    await using cli = start(["run", "sh", "-c", script], { prefix: AS_FIRST });
    const { code, stdout } = await cli.finished();
    assertEquals([code, stdout], [3, "got TERM\n"]);
  },
);

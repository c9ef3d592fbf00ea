/**
 * `pidfd run` where /proc isn't mounted, as in some chroots and containers.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { start } from "../support/cli.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { needing } from "../support/skip.ts";

const WITHOUT_PROC = [
  ...inNamespaces("--mount"),
  ...["sh", "-c", 'umount -l /proc && exec "$@"', "sh"],
];
const NEEDED = ["unshare, and the right to unmount", works(WITHOUT_PROC)] as const;

const WORDS = /^pidfd: only the command itself ends, as what it has started can't be found: /m;

Deno.test(needing(...NEEDED, "pidfd run --timeout ends the command without /proc"), async () => {
  await using cli = start(["run", "--timeout=200ms", "sleep", "60"], { prefix: WITHOUT_PROC });
  const { code, stderr } = await cli.finished();
  assertEquals([code, cli.left()], [124, []]);
  assertMatch(stderr, WORDS);
});

Deno.test(needing(...NEEDED, "pidfd run kills what ignores SIGTERM without /proc"), async () => {
  const script = "trap '' TERM; echo; while :; do sleep 0.01; done";
  const args = ["run", "--grace=100ms", "sh", "-c", script];
  await using cli = start(args, { prefix: WITHOUT_PROC });
  await cli.line();
  cli.kill("SIGTERM");
  const { code, stderr } = await cli.finished();
  assertEquals([code, cli.left()], [137, []]);
  assertMatch(stderr, WORDS);
});

Deno.test(
  needing(...NEEDED, "pidfd run exits with the command's status without /proc"),
  async () => {
    await using cli = start(["run", "sh", "-c", "exit 7"], { prefix: WITHOUT_PROC });
    assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
  },
);

Deno.test(needing(...NEEDED, "pidfd run reaps orphans without /proc"), async () => {
  const script = "(sh -c 'exit 3' &); sleep 0.2; exit 7";
  await using cli = start(["run", "sh", "-c", script], { prefix: WITHOUT_PROC });
  assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
});

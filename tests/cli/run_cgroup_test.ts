/**
 * `pidfd run` with a cgroup of the command's own: nothing gets out of it, and it can be limited.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { ProcessJson } from "../../cli.ts";
import { features } from "../../mod.ts";
import { CGROUP_ROOT, CONTROLLERS, hasControllers } from "../support/cgroups.ts";
import { assertFails, output, pidfd, start } from "../support/cli.ts";
import { AS_NOBODY, OTHER_USERS } from "../support/foreigner.ts";
import { withoutCapability } from "../support/privileges.ts";
import { needing } from "../support/skip.ts";

const OWN = [
  "the right to make cgroups, and Linux 5.14",
  features().containment === "cgroup",
] as const;

/** Whether a folder of a cgroup is there, by its path below the root. */
function isThere(path: string): boolean {
  try {
    Deno.statSync(`${CGROUP_ROOT}${path}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A shell's command that prints the path of its cgroup. */
const OWN_PATH =
  'while IFS=: read -r id _ path; do [ "$id" = 0 ] && echo "$path"; done < /proc/self/cgroup';

for (const end of ["exit 7", "kill -TERM $PPID; sleep 60", "kill -KILL $$"]) {
  Deno.test(needing(...OWN, `pidfd run removes the command's cgroup after: ${end}`), async () => {
    const { stdout } = await pidfd(["run", "sh", "-c", `${OWN_PATH}; ${end}`]);
    const path = stdout.trim();
    assertMatch(path, /\/pidfd-[^/]+$/);
    assertEquals(isThere(path), false);
  });
}

Deno.test(needing(...OWN, "pidfd run --keep gives the command no cgroup of its own"), async () => {
  const own = Deno.readTextFileSync("/proc/self/cgroup").match(/^0::(.*)$/m)![1];
  assertEquals(await output(["run", "--keep", "sh", "-c", OWN_PATH]), `${own}\n`);
});

Deno.test({
  ...needing(
    `${OWN[0]}, and ${OTHER_USERS[0]}`,
    OWN[1] && OTHER_USERS[1],
    "pidfd run ends by the cgroup those that it may not signal",
  ),
  async fn() {
    const script = `"$@" sh -c 'echo $$; exec sleep 60 >/dev/null 2>&1'; :`;
    const prefix = withoutCapability("kill");
    const args = ["run", "-k", "100ms", "sh", "-c", script, "sh", ...AS_NOBODY];
    await using cli = start(args, { prefix });
    await cli.line();
    cli.kill("SIGTERM");
    await cli.finished();
    assertEquals(cli.left(), []);
  },
});

const LIMITED = [CONTROLLERS, hasControllers()] as const;
const UNLIMITED = ["a system without controllers to hand on", !hasControllers()] as const;

Deno.test(needing(...LIMITED, "pidfd run --memory, --cpus and --processes limit all"), async () => {
  const files = ["memory.max", "cpu.max", "pids.max"];
  const script = `path=$(${OWN_PATH}); cd "${CGROUP_ROOT}$path" && cat ${
    files.join(" ")
  }; echo "$path"`;
  const options = ["--memory", "64M", "--cpus", "0.5", "--processes", "20"];
  const stdout = await output(["run", ...options, "sh", "-c", script]);
  const [memory, cpus, processes, path] = stdout.trimEnd().split("\n");
  assertEquals([memory, cpus, processes], ["67108864", "50000 100000", "20"]);
  assertEquals(isThere(path), false);
});

Deno.test(needing(...LIMITED, "pidfd run --memory has what takes more killed"), async () => {
  // tail keeps all of what has no end of line.
  const args = ["run", "--memory", "32M", "sh", "-c", "exec tail /dev/zero"];
  await using cli = start(args);
  assertEquals((await cli.finished()).code, 137);
  assertEquals(cli.left(), []);
});

Deno.test(needing(...LIMITED, "pidfd run --report tells a limited command's memory"), async () => {
  const args = ["run", "--memory", "256M", "--report=json", "true"];
  const { run }: ProcessJson = JSON.parse((await pidfd(args)).stderr);
  assertEquals(run!.maxRss === null || run!.maxRss < 2 ** 28, true);
});

Deno.test(needing(...UNLIMITED, "pidfd run --memory says why there are no limits"), async () => {
  const args = ["run", "--memory", "64M", "echo", "started"];
  await assertFails(args, 125, /^pidfd: a cgroup with limits: \S/);
});

const REFUSED: Readonly<Record<string, RegExp>> = {
  "--memory=much": /--memory takes a number, such as 1024 or 2G, or "unlimited": much/,
  "--cpus=0": /--cpus must be a number of 0.01 or more: 0/,
  "--cpus=x": /--cpus must be a number/,
  "--processes=0": /--processes must be a number in 1…/,
  "--memory=1G --keep": /--memory ends all there is, --keep doesn't/,
};

for (const [options, message] of Object.entries(REFUSED)) {
  Deno.test(`pidfd run ${options} starts nothing, and says why`, async () => {
    await assertFails(["run", ...options.split(" "), "echo", "started"], 125, message);
  });
}

/**
 * The supervisor: that it starts its service again, adopts it after a crash of its own, and takes it
 * along where that is asked for.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { features, PidFd } from "../../mod.ts";
import { type RunningExample, startExample } from "../support/examples.ts";
import { eventually, PATIENCE, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

const PERMISSIONS = ["--allow-ffi", "--allow-read", "--allow-write"];

/** Starts the supervisor of a service that sleeps. */
function supervise(...args: string[]): RunningExample {
  // What it prints ends with it: its service must not hold that open.
  const service = ["sh", "-c", "exec sleep 600 > /dev/null"];
  return startExample("supervisor.ts", PERMISSIONS, [...args, ...service]);
}

/** The PID that the supervisor's next line ends with. */
async function nextPid(supervisor: RunningExample, verb: string): Promise<number> {
  const line = await deadline(supervisor.line(), PATIENCE);
  const match = new RegExp(`^${verb} (\\d+)$`).exec(line ?? "");
  return Number(match?.[1] ?? assertMatch(line ?? "", /^$/));
}

Deno.test("supervisor.ts starts its service again, and ends it when it is told to end", async () => {
  using folder = new Folder();
  await using supervisor = supervise(folder.at("ref"));
  using first = PidFd.fromPid(await nextPid(supervisor, "started"));
  first.kill();
  assertEquals(await deadline(supervisor.line(), PATIENCE), "it was ended by SIGKILL");
  using second = PidFd.fromPid(await nextPid(supervisor, "started"));
  supervisor.child.kill("SIGTERM");
  assertEquals(await deadline(supervisor.line(), PATIENCE), "it was ended by SIGTERM");
  assertEquals((await deadline(supervisor.child.status, PATIENCE)).code, 0);
  assertEquals([second.isAlive(), [...Deno.readDirSync(folder.path)].length], [false, 0]);
});

Deno.test(
  needing("Linux 6.9", features().ids, "supervisor.ts adopts the service of one that was killed"),
  async () => {
    using folder = new Folder();
    const pid = await (async () => {
      await using killed = supervise(folder.at("ref"));
      return await nextPid(killed, "started");
    })();
    using service = PidFd.fromPid(pid);
    await using supervisor = supervise(folder.at("ref"));
    assertEquals(await nextPid(supervisor, "adopted"), pid);
    service.kill();
    assertMatch(
      (await deadline(supervisor.line(), PATIENCE))!,
      /^it (ended|was ended by SIGKILL)$/,
    );
    await nextPid(supervisor, "started");
    supervisor.child.kill("SIGINT");
    assertEquals((await deadline(supervisor.child.status, PATIENCE)).code, 0);
  },
);

Deno.test("supervisor.ts --together is outlived by no service, even if it is killed", async () => {
  using folder = new Folder();
  const pid = await (async () => {
    await using supervisor = supervise("--together", folder.at("ref"));
    return await nextPid(supervisor, "started");
  })();
  await eventually("the service has ended", () => (readStat(pid)?.state ?? "Z") === "Z");
});

Deno.test("supervisor.ts says how it is used", async () => {
  await using supervisor = startExample("supervisor.ts", PERMISSIONS, ["--together"]);
  assertEquals([await supervisor.rest(), (await supervisor.child.status).code], [[], 2]);
});

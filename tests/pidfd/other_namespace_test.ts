/**
 * Handles on processes that aren't to be seen from this program's PID namespace, as a container
 * gets them from outside.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { openFds, runForValue } from "../support/processes.ts";
import { startUnreaped } from "../support/children.ts";
import { inNamespaces, works } from "../support/privileges.ts";
import { needing } from "../support/skip.ts";

const INSIDE = inNamespaces("--pid", "--fork");

Deno.test(
  needing(
    "unshare",
    works(INSIDE),
    "PidFd of a process outside this PID namespace tells its end, and says what can't be known",
  ),
  async () => {
    const before = openFds();
    using running = startUnreaped("sleep 60");
    using ended = startUnreaped("exit 7");
    await ended.pidfd.exited();
    for (const { pidfd } of [running, ended]) pidfd.setCloseOnExec(false);
    const facts = await runForValue(
      `
      import { PidFd } from "@pidfd/util";
      const running = PidFd.fromFd(${running.pidfd.fd});
      const ended = PidFd.fromFd(${ended.pidfd.fd});
      await ended.exited();
      const refused = (error) => error.code + (/exited\\(\\)|namespace/.test(error.message) ? "" : "?");
      const results = [running.isAlive(), ended.isAlive(), running.tryWait()];
      for (const act of [() => ended.tryWait(), () => ended.waitSync(), () => running.kill()]) {
        try {
          results.push(act());
        } catch (error) {
          results.push(refused(error));
        }
      }
      results.push(await ended.wait().catch(refused));
      console.log(JSON.stringify(results));
    `,
      ["--allow-ffi"],
      INSIDE,
    );
    assertEquals(facts, [true, false, null, "ECHILD", "ECHILD", "EINVAL", "ECHILD"]);
    assertEquals(running.pidfd.isAlive(), true);
    assertEquals(openFds().length, before.length + 2);
  },
);

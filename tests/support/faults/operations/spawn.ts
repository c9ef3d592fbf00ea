/**
 * Starting processes, to their end.
 *
 * @module
 */

import { duplicate } from "../../../../ffi/files.ts";
import { features, OwnedFd, PidFd, type SpawnOptions } from "../../../../mod.ts";
import { Folder } from "../../sockets.ts";
import { hasTerminals, PTMX } from "../../terminal.ts";
import { turn } from "../../turn.ts";
import { type Keep, on, type Operation, type Operations, plain } from "../operation.ts";
import { FIRST, inCgroup, KILL_ON_CLOSE, start, UNTRIED_WITH_CGROUPS } from "../start.ts";

/** Runs a shell command, and tells how it ended. */
function shell(command: string, options: SpawnOptions = {}, ...exempt: string[]): Operation {
  return plain(
    (keep) => start(keep, "/bin/sh", { args: ["-c", command], ...options }).status,
    ...exempt,
  );
}

/** A child that couldn't execute its program is reaped by waitid alone; without that it would stay. */
const REAPED = "waitid";

const script = (keep: Keep) => {
  const path = keep(new Folder()).at("script");
  Deno.writeTextFileSync(path, "exit 7\n", { mode: 0o755 });
  return path;
};
const sleeping = (keep: Keep) => start(keep, "/bin/sleep", { args: ["60"] });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export const operations: Operations = {
  "spawn()": shell("exit 7", {}, FIRST),
  "spawn() by name": plain((keep) =>
    start(keep, "true", { env: { PATH: "/nowhere:/usr/bin:/bin" } }).status
  ),
  "spawn() without streams": shell("exit 7", { stdin: "null", stdout: "null", stderr: "null" }),
  "spawn() in a folder": shell("[ $PWD = / ]", { cwd: "/" }),
  "spawn() with a descriptor": on(
    (keep) => keep(new OwnedFd(duplicate(keep(PidFd.fromSelf()).fd))),
    (fd, keep) => {
      const options = { args: ["-c", "[ -e /proc/self/fd/7 ]"], fds: { 7: fd } };
      return start(keep, "/bin/sh", options).status;
    },
  ),
  "spawn() of what doesn't exist": plain(
    (keep) => start(keep, "/nowhere/program").status,
    REAPED,
  ),
  "spawn() of a script without an interpreter": on(
    script,
    (path, keep) => start(keep, path).status,
    REAPED,
  ),
  "spawn() with a signal": shell("exit 7", { signal: new AbortController().signal }),
  "spawn() with a signal that aborts": plain(async (keep) => {
    const controller = new AbortController();
    const child = start(keep, "/bin/sleep", { args: ["60"], signal: controller.signal });
    controller.abort();
    await turn();
    // A child that could not be asked to end goes on.
    if (child.endError !== null && child.pidfd.isAlive()) throw child.endError;
    return child.status;
  }),
  "spawn() into a cgroup": inCgroup(({ path }, keep) =>
    start(keep, "/bin/sh", { args: ["-c", "exit 7"], cgroup: path }).status
  ),
  "spawn() with killOnClose": {
    ...on(
      // Whether there are such children is known from before.
      () => features().killOnClose,
      (_, keep) => start(keep, "/bin/sh", { args: ["-c", "exit 7"], killOnClose: true }).status,
    ),
    needs: KILL_ON_CLOSE,
  },
  "spawn() with killOnClose of what doesn't exist": {
    ...on(
      () => features().killOnClose,
      (_, keep) => start(keep, "/nowhere/program", { killOnClose: true }).status,
    ),
    needs: KILL_ON_CLOSE,
  },
  "Child's disposal with its cgroup": inCgroup(
    async ({ path }, keep) => {
      const child = start(keep, "/bin/sh", { args: ["-c", "sleep 60 & sleep 60"], cgroup: path });
      await child[Symbol.asyncDispose]();
      return await child.status;
    },
    ...UNTRIED_WITH_CGROUPS,
  ),
  "Child.output()": plain(async (keep) => {
    const args = ["-c", "echo one; echo two >&2"];
    const child = start(keep, "/bin/sh", { args, stdout: "piped", stderr: "piped" });
    const { stdout, stderr } = await child.output();
    return [text(stdout), text(stderr)];
  }, "close"),
  "Child.stdin": plain(async (keep) => {
    const child = start(keep, "/bin/cat", { stdin: "piped", stdout: "piped" });
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("text"));
    await writer.close();
    return text((await child.output()).stdout);
  }, "close"),
  "Child.terminal": {
    ...plain(async (keep) => {
      const args = ["-c", "stty size; read -r line; echo $line"];
      const { terminal, status } = start(keep, "/bin/sh", { args, terminal: true });
      await terminal!.writable.getWriter().write(new TextEncoder().encode("text\r"));
      const shown = await terminal!.readable.text();
      return [shown.replace("text\r\n", ""), (await status).code];
    }, "close"),
    needs: { what: PTMX, isThere: hasTerminals },
  },
  "Terminal.resize()": {
    ...on(
      (keep) => start(keep, "/bin/sleep", { args: ["60"], terminal: true }).terminal!,
      (terminal) => {
        terminal.resize(100, 30);
        return [terminal.columns, terminal.rows];
      },
    ),
    needs: { what: PTMX, isThere: hasTerminals },
  },
  "Child.pidfd": on(sleeping, (child, keep) => keep(child.pidfd).closed),
  "Child.kill()": on(
    (keep) => ({ child: sleeping(keep), killed: false }),
    (fixture) => {
      if (!fixture.killed) fixture.child.kill();
      fixture.killed = true;
      return fixture.child.status;
    },
    // The status is the same a second time, and other operations have theirs fail.
    "waitid",
  ),
  "Child's disposal": plain(async (keep) => {
    const child = start(keep, "/bin/sleep", { args: ["60"] });
    await child[Symbol.asyncDispose]();
    return await child.status;
  }),
};

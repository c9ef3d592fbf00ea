/**
 * Starting processes that have something to do before they execute.
 *
 * @module
 */

import { duplicate } from "../../../../ffi/files.ts";
import { OwnedFd, PidFd, type SpawnOptions } from "../../../../mod.ts";
import { type Operation, type Operations, plain } from "../operation.ts";
import { inCgroup, start } from "../start.ts";

/** Runs a shell command that ends with 7 if it is true. */
function shell(command: string, options: SpawnOptions = {}): Operation {
  const args = ["-c", `${command} && exit 7`];
  return plain((keep) => start(keep, "/bin/sh", { args, ...options }).status);
}

export const operations: Operations = {
  "spawn()": shell("true"),
  "spawn() of what doesn't exist": plain((keep) => start(keep, "/nowhere/program").status),
  "spawn() in a folder, in a session": shell("[ $PWD = / ]", { cwd: "/", detached: true }),
  "spawn() in a process group": shell("true", { processGroup: 0 }),
  "spawn() with a descriptor": plain((keep) => {
    const fd = keep(new OwnedFd(duplicate(keep(PidFd.fromSelf()).fd)));
    const options = { args: ["-c", "[ -e /proc/self/fd/7 ] && exit 7"], fds: { 7: fd } };
    return start(keep, "/bin/sh", options).status;
  }),
  ...inCgroup({
    "spawn() into a cgroup": ({ path }, keep) =>
      start(keep, "/bin/sh", { args: ["-c", "exit 7"], cgroup: path }).status,
  }),
  "Child.output()": plain(async (keep) => {
    const args = ["-c", "echo text"];
    const child = start(keep, "/bin/sh", { args, stdin: "piped", stdout: "piped" });
    return new TextDecoder().decode((await child.output()).stdout);
  }),
};

/**
 * `pidfd features`: what the running system offers.
 *
 * @module
 */

import { type Features, features as findFeatures } from "../mod.ts";
import { type Command, readOptions, UsageError } from "./command.ts";
import { printJson, printLine, type Style } from "./output.ts";

/** What each feature is, and what brought it. */
const MEANINGS: Readonly<Record<keyof Features, readonly [meaning: string, since: string]>> = {
  pidfdOpen: ["pidfds at all", "Linux 5.3"],
  waitid: ["waiting for a child by its pidfd", "Linux 5.4"],
  getfd: ["descriptors of other processes", "Linux 5.6"],
  setns: ["all namespaces of a process at once", "Linux 5.8"],
  cgroupSpawn: ["processes born into a cgroup", "Linux 5.7"],
  peerPidfds: ["a pidfd of a socket's peer", "Linux 6.5"],
  threads: ["pidfds of single threads", "Linux 6.9"],
  signalScopes: ["signals to a thread or a process group", "Linux 6.9"],
  ids: ["an id for every process", "Linux 6.9"],
  namespaceIoctls: ["namespaces without /proc", "Linux 6.11"],
  pidTranslation: ["PIDs of other PID namespaces", "Linux 6.11"],
  info: ["all about a process in one call", "Linux 6.13"],
  idHandles: ["processes found by their ids", "Linux 6.14"],
  exitInfo: ["the exit status of any process", "Linux 6.15"],
  coredumpInfo: ["core dumps of any process", "Linux 6.16"],
  namespaceIds: ["an id for every namespace", "Linux 6.18"],
  coredumpSignal: ["the signals that core dumps are for", "Linux 6.19"],
  userNamespaces: ["user namespaces for this program", "Linux 3.8"],
  killOnClose: ["children killed with their last handle", "Linux 7.1"],
  containment: ["what holds all that a child starts; a cgroup from 5.14 on", "Linux 5.4"],
};

export const features: Command = {
  name: "features",
  summary: "Tell what the running system offers",
  help: `Usage: pidfd features [OPTION…]

Tells what kernel, libc and sandbox offer, found out by trying. Where something is missing, most
of the library still works by other means.

Options:
      --json  Print an object with true, false, or null where it can't be known yet; of
              containment with "cgroup", "mark" or false
  -h, --help  Show this

Exit code: 0; 125 if pidfd failed.

Examples:
  pidfd features
  pidfd features --json | jq .exitInfo`,
  run: featuresCommand,
};

function featuresCommand(args: string[]): number {
  const { values: { json }, positionals } = readOptions(args, { json: { type: "boolean" } });
  if (positionals.length > 0) throw new UsageError(`nothing but options: ${positionals[0]}`);
  const found = findFeatures();
  if (json) {
    printJson(found);
    return 0;
  }
  for (const [name, [meaning, since]] of Object.entries(MEANINGS)) {
    const [answer, style] = ANSWERS[String(found[name as keyof Features])];
    printLine([name.padEnd(17), ""], [answer, style], [`  ${meaning} (${since})`, ""]);
  }
  return 0;
}

const ANSWERS: Readonly<Record<string, readonly [string, Style]>> = {
  true: ["yes    ", "color: green"],
  false: ["no     ", "color: red"],
  null: ["unknown", "color: yellow"],
  cgroup: ["cgroup ", "color: green"],
  mark: ["mark   ", "color: green"],
};

/**
 * `pidfd features`: what the running system offers.
 *
 * @module
 */

import { type Features, features as findFeatures } from "../process/features.ts";
import type { Command } from "./command.ts";
import { GREEN, printJson, printLine, RED, type Style, YELLOW } from "./output.ts";
import { parse, refuseArguments } from "./parse.ts";

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
  usage: "[OPTION…]",
  description: [
    "Tells what kernel, libc and sandbox offer, found out by trying. Where something is missing, most " +
    "of the library still works by other means.",
  ],
  options: [
    {
      name: "json",
      help: "Print one object with true, false, or null where it can't be known yet; of " +
        'containment "cgroup", "mark" or false',
    },
  ],
  exitCode: "0; 125 if pidfd failed.",
  examples: ["pidfd features", "pidfd features --json | jq .exitInfo"],
  run: featuresCommand,
};

function featuresCommand(args: string[]): number {
  const given = parse(args, features);
  refuseArguments(given);
  const found = findFeatures();
  if (given.has("json")) {
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
  true: ["yes    ", GREEN],
  false: ["no     ", RED],
  null: ["unknown", YELLOW],
  cgroup: ["cgroup ", GREEN],
  mark: ["mark   ", GREEN],
};

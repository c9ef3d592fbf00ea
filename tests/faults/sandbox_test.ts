/**
 * All that the library does, in sandboxes that each forbid one of its calls: whatever has another
 * way takes it, and the rest says which call it is.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { features } from "../../mod.ts";
import { THOROUGH } from "../support/faults/cases.ts";
import { isSame, type Outcome } from "../support/faults/protocol.ts";
import { runForValue } from "../support/processes.ts";
import type { Call } from "../support/seccomp.ts";
import { canFilter, needing } from "../support/skip.ts";

const SUPPORT = new URL("../support/", import.meta.url).href;

/** What container runtimes answer to a call that they don't know: formerly, and today. */
const ANSWERS = ["EPERM", "ENOSYS"] as const;

/** A call that is forbidden. */
interface Forbidden {
  readonly call: Call;
  /** What can't do without it. */
  readonly fails: readonly string[];
  /** What the kernel is then said not to offer. */
  readonly lacks: readonly string[];
  readonly answers?: readonly (typeof ANSWERS[number])[];
}

const SPAWNING = ["spawn", "spawn by name", "spawn with a descriptor"];

const FORBIDDEN: readonly Forbidden[] = [
  // libc knows no way around any other answer, and neither does the Deno that the program runs in.
  { call: "clone3", fails: [], lacks: [], answers: ["ENOSYS"] },
  { call: "close_range", fails: [], lacks: [] },
  { call: "faccessat2", fails: [], lacks: [] },
  {
    call: "getsockopt(SO_PEERPIDFD)",
    fails: ["peer", "receive with the sender"],
    lacks: ["peerPidfds"],
  },
  {
    call: "ioctl(pidfd)",
    fails: ["wait for a stranger"],
    lacks: ["namespaceIoctls", "info", "exitInfo"],
  },
  { call: "open_by_handle_at", fails: ["fromId"], lacks: ["idHandles"] },
  { call: "pidfd_getfd", fails: ["getRemoteFd"], lacks: ["getfd"] },
  {
    call: "pidfd_open",
    fails: [
      ...["fromSelf", "fromPid", "fromPid with an id", "fromPid for a thread", "fromChild"],
      ...["fromId", "sendSignal to a thread", "wait for a stranger"],
      ...[...SPAWNING, "peer", "receive with the sender"],
    ],
    lacks: [
      ...["pidfdOpen", "waitid", "getfd", "setns", "threads", "signalScopes", "ids"],
      ...["namespaceIoctls", "info", "exitInfo", "idHandles", "peerPidfds"],
      ...["pidfdSpawn", "cgroupSpawn"],
    ],
  },
  {
    call: "pidfd_send_signal",
    fails: [
      ...["sendSignal", "sendSignal to a process", "sendSignal to a thread", "terminate"],
      ...["killTree", "accessProc"],
    ],
    lacks: ["signalScopes"],
  },
  { call: "prctl", fails: ["setSubreaper"], lacks: [] },
  { call: "setns", fails: ["setNamespace"], lacks: ["setns"] },
  { call: "setsockopt(SO_PASSPIDFD)", fails: ["receive with the sender"], lacks: [] },
  {
    call: "statx",
    fails: [
      ...["fromPid with an id", "fromId", "equals", "killTree", "spawn by name"],
      // Before Linux 6.13 the cgroup's id is that of its folder.
      ...(features().info ? [] : ["getInfo", "getCgroupId"]),
    ],
    lacks: ["idHandles"],
  },
  {
    call: "waitid(P_PIDFD)",
    fails: [
      ...["fromChild", "tryWait on a child", "wait for a zombie", "wait for a stranger"],
      ...["terminate", ...SPAWNING],
    ],
    lacks: ["waitid"],
  },
];

type Outcomes = Readonly<Record<string, Outcome>>;

/** What comes of everything where a call is forbidden, or none. */
async function outcomes(call?: Call, errno?: number): Promise<Outcomes> {
  return await runForValue(
    `
    import { prepare } from "${SUPPORT}faults/sandboxed.ts";
    import { forbid } from "${SUPPORT}seccomp.ts";

    const run = await prepare();
    if (${call !== undefined}) forbid([${JSON.stringify(call)}], ${errno});
    console.log(JSON.stringify(await run()));
    Deno.exit();
  `,
    ["--allow-all"],
  ) as Outcomes;
}

Deno.test(
  needing("seccomp", canFilter(), "Whatever a sandbox forbids is done otherwise, or named"),
  async (test) => {
    const { features: normalFeatures, ...normal } = await outcomes();
    for (const forbidden of FORBIDDEN) {
      const { call, fails, lacks, answers = ANSWERS } = forbidden;
      for (const answer of THOROUGH ? answers : answers.slice(0, 1)) {
        await test.step(`${answer} to ${call}`, async () => {
          const { features, ...found } = await outcomes(call, Errno[answer]);
          assertEquals(lost(normalFeatures, features).filter((name) => !lacks.includes(name)), []);
          const changed = Object.keys(normal).filter((key) => !isSame(normal[key], found[key]));
          assertEquals(changed.filter((key) => !fails.includes(key)), []);
          for (const key of changed) assertNamed(key, call, found[key]);
        });
      }
    }
  },
);

/** The features that are there and then are not. */
function lost(normal: Outcome, found: Outcome): string[] {
  const [before, then] = [normal, found].map(({ value }) => value as Record<string, unknown>);
  return Object.keys(before).filter((name) => before[name] !== then[name]);
}

/** That an error names the call, or the feature that is not there without it. */
function assertNamed(key: string, call: Call, { value, error }: Outcome): void {
  // The one that doesn't throw: it reports who is out of its reach.
  if (key === "killTree" && value === 0) return;
  // Without the ioctl nothing tells of a process that is gone and was nobody's child.
  const name = key === "wait for a stranger" ? "waitid" : call.replace(/\(.*/, "");
  assert(error?.name === "UnsupportedError" || error?.syscall === name, key);
}

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
  /** The same, where it depends on the kernel or on the answer. */
  readonly mayFail?: readonly string[];
  readonly mayLack?: readonly string[];
  readonly answers?: readonly (typeof ANSWERS[number])[];
}

const KILLED_ON_CLOSE = "spawn with killOnClose";
const CORE_DUMPS = ["coredumpInfo", "coredumpSignal"];
const IN_CGROUP = "spawn into a cgroup";
const SPAWNING = [
  ...["spawn", "spawn by name", "spawn with a descriptor", "spawn with a terminal"],
];

const FORBIDDEN: readonly Forbidden[] = [
  { call: "clone(CLONE_VFORK)", fails: [], lacks: [] },
  // The Deno that the program runs in knows no way around any other answer.
  {
    call: "clone3",
    fails: [KILLED_ON_CLOSE],
    lacks: ["cgroupSpawn", "killOnClose"],
    // Where it would be by a cgroup, it is by a mark then.
    mayLack: ["containment"],
    answers: ["ENOSYS"],
  },
  { call: "close_range", fails: [], lacks: [] },
  { call: "faccessat2", fails: [], lacks: [] },
  {
    call: "getsockopt(SO_PEERPIDFD)",
    fails: ["peer", "receive with the sender"],
    lacks: ["peerPidfds"],
  },
  {
    call: "ioctl(pidfd)",
    // Nothing but the ioctl tells how a child ended that the kernel reaps.
    fails: ["wait for a stranger", KILLED_ON_CLOSE],
    lacks: ["namespaceIoctls", "info", "exitInfo", ...CORE_DUMPS, "killOnClose"],
  },
  { call: "ioctl(TIOCGPTPEER)", fails: [], lacks: [] },
  { call: "ioctl(TIOCSCTTY)", fails: ["spawn with a terminal"], lacks: [] },
  { call: "open_by_handle_at", fails: ["fromId"], lacks: ["idHandles"] },
  { call: "pidfd_getfd", fails: ["getRemoteFd"], lacks: ["getfd"] },
  {
    call: "pidfd_open",
    fails: [
      ...["fromSelf", "fromPid", "fromPid with an id", "fromPid for a thread", "fromChild"],
      ...["fromId", "sendSignal to a thread", "wait for a stranger"],
      ...["peer", "receive with the sender", KILLED_ON_CLOSE],
    ],
    lacks: [
      ...["pidfdOpen", "waitid", "getfd", "setns", "threads", "signalScopes"],
      ...["namespaceIoctls", "info", "exitInfo", "idHandles", "peerPidfds"],
      ...["cgroupSpawn", "killOnClose", "containment"],
      ...["pidTranslation", "namespaceIds", "userNamespaces"],
      ...CORE_DUMPS,
    ],
    mayLack: ["ids"],
  },
  {
    call: "pidfd_send_signal",
    fails: [
      ...["sendSignal", "sendSignal to a process", "sendSignal to a thread", "terminate"],
      "killTree",
    ],
    lacks: ["signalScopes"],
    mayFail: ["accessProc"],
  },
  { call: "process_vm_readv", fails: [], lacks: [] },
  { call: "prctl", fails: ["setSubreaper"], lacks: [] },
  { call: "setns", fails: ["setNamespace"], lacks: [], mayLack: ["setns"] },
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
      ...["terminate", ...SPAWNING, IN_CGROUP, KILLED_ON_CLOSE],
    ],
    lacks: ["waitid"],
  },
];

type Outcomes = Readonly<Record<string, Outcome>>;

/** What comes of everything in a program where a call is forbidden, or none. */
interface Found {
  readonly outcomes: Outcomes;
  /** Which features there are. */
  readonly offered: Readonly<Record<string, unknown>>;
  /** The errno that the call itself ends with, made without the library. */
  readonly refusal: number | null;
}

async function find(call?: Call, errno?: number): Promise<Found> {
  const found = await runForValue(
    `
    import { prepare } from "${SUPPORT}faults/sandboxed.ts";
    import { errnoOf, forbid } from "${SUPPORT}seccomp.ts";

    const call = ${JSON.stringify(call ?? null)};
    const run = await prepare();
    if (call !== null) forbid([call], ${errno});
    const refusal = call && errnoOf(call);
    console.log(JSON.stringify({ outcomes: await run(), refusal }));
    Deno.exit();
  `,
    ["--allow-all"],
  ) as Pick<Found, "outcomes" | "refusal">;
  const { features, ...outcomes } = found.outcomes;
  return { ...found, outcomes, offered: features.value as Found["offered"] };
}

Deno.test(
  needing("seccomp", canFilter(), "Whatever a sandbox forbids is done otherwise, or named"),
  async (test) => {
    const normal = await find();
    for (const forbidden of FORBIDDEN) {
      const { call, answers = ANSWERS } = forbidden;
      for (const answer of THOROUGH ? answers : answers.slice(0, 1)) {
        await test.step(`${answer} to ${call}`, async () => {
          const found = await find(call, Errno[answer]);
          assertEquals(found.refusal, Errno[answer]);
          const failing = Object.keys(normal.outcomes)
            .filter((key) => !isSame(normal.outcomes[key], found.outcomes[key]));
          const lost = Object.keys(normal.offered)
            .filter((name) => normal.offered[name] !== found.offered[name]);
          assertExpected({ failing, lost }, forbidden, normal);
          for (const key of failing) assertNamed(key, call, found.outcomes[key]);
        });
      }
    }
  },
);

/** That what changed is what is said of the call: nothing else, and on new kernels all of it. */
function assertExpected(
  { failing, lost }: { failing: readonly string[]; lost: readonly string[] },
  { fails, lacks, mayFail = [], mayLack = [] }: Forbidden,
  { outcomes, offered }: Found,
): void {
  const works = (key: string) => outcomes[key]?.error === undefined;
  const isOffered = (name: string) => offered[name] === true;
  const isNew = features().info;
  assertBetween(failing, isNew ? fails.filter(works) : [], [...fails, ...mayFail]);
  assertBetween(lost, isNew ? lacks.filter(isOffered) : [], [...lacks, ...mayLack]);
}

/** That some names are these at least, and these at most. */
function assertBetween(
  names: readonly string[],
  least: readonly string[],
  most: readonly string[],
): void {
  assertEquals(least.filter((name) => !names.includes(name)), []);
  assertEquals(names.filter((name) => !most.includes(name)), []);
}

/** That an error names the call, or the feature that is not there without it. */
function assertNamed(key: string, call: Call, { value, error }: Outcome): void {
  // The one that doesn't throw: it reports who is out of its reach.
  if (key === "killTree" && value === 0) return;
  // Without the ioctl nothing tells of a process that is gone and was nobody's child.
  const name = key === "wait for a stranger" ? "waitid" : call.replace(/\(.*/, "");
  assert(error?.name === "UnsupportedError" || error?.syscall === name, key);
}

/**
 * One job of the launcher: written into memory, carried out, and what came of it.
 *
 * A child shares this program's memory until it executes its program (CLONE_VM). One that changes
 * its user must not: until then other processes of that user could trace it, and reach into
 * this program, so that the kernel makes the memory "not dumpable", and that would stay. Such a
 * child has a copy, as fork(2) makes it, and leaves its outcome in a page that both share.
 *
 * @module
 */

import {
  CLONE_ARGS_SIZE_VER0,
  cloneArgs,
  job,
  outcome,
  outInt,
  step as stepStruct,
  StepTable,
} from "../structs/launch.ts";
import { type CText, TextBlock } from "../structs/text_block.ts";
import { attempt } from "./call.ts";
import {
  clearSharedOutcome,
  launcherCode,
  readSharedOutcome,
  sharedOutcome,
} from "./executable.ts";
import { discard } from "./files.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { addressOf, arch, libc } from "./libc.ts";
import { NUMBERS, type Step } from "./steps.ts";

const CLONE_VM = 0x100;
const CLONE_PIDFD = 0x1000;
const CLONE_VFORK = 0x4000;
const CLONE_CLEAR_SIGHAND = 2 ** 32;
const CLONE_INTO_CGROUP = 2 ** 33;

const SIGCHLD = 17;
const ALL_SIGNALS = 2n ** 64n - 1n;
const P_PID = 1;
const WEXITED = 0x4;
const NO_PIDFD = -1;

/** How a child is born. */
export interface Birth {
  /** clone3 also resets the signals that this program handles. */
  readonly call: "clone3" | "clone";
  /** Whether it has a copy of this program's memory. */
  readonly ownMemory?: boolean;
  /** An fd of the folder of the cgroup that it is born into, by clone3. */
  readonly cgroup?: number;
}

/** What came of a birth. */
export interface Born {
  /** The child's pidfd; −1 if the call doesn't know CLONE_PIDFD. */
  readonly pidfd: number;
  /** The child's PID. */
  readonly pid: number;
  /** The step that it couldn't go on from, and that call's result: then it has ended and was reaped. */
  readonly failed?: { readonly step: Step; readonly result: number };
}

// Synchronous calls can't overlap, so that one block of each kind serves all jobs.
const work = job.allocate();
const birthArgs = cloneArgs.allocate();
const note = outcome.allocate();
const pidfdSlot = outInt.allocate();
let steps = new StepTable(32);

/** The texts that a job points to. */
const texts = new TextBlock(addressOf);

/** What else the steps point to. The memory stays referenced here until the call has returned. */
const memory: Uint8Array<ArrayBuffer>[] = [];

/** Where memory is that was pointed to: it stays there as long as it lives. */
const addresses = new WeakMap<Uint8Array<ArrayBuffer>, number>();

function point(bytes: Uint8Array<ArrayBuffer>): number {
  memory.push(bytes);
  let address = addresses.get(bytes);
  if (address === undefined) addresses.set(bytes, address = Number(addressOf(bytes)));
  return address;
}

/** Has a child born that takes some steps; returns −errno if there was no birth. */
export function carryOut(birth: Birth, list: readonly Step[]): Born | number {
  const code = launcherCode();
  try {
    const first = writeSteps(list);
    work.fields.steps = first;
    if (!isSame(birth, written)) writeBirth(birth);
    pidfdSlot.fields.value = NO_PIDFD;
    if (birth.ownMemory) clearSharedOutcome();
    else note.fields.step = 0;
    launcherLibc().bsearch(work.bytes, work.bytes, 1n, 1n, code);
    if (birth.ownMemory) readSharedOutcome(note.bytes);
    return bornOf(list, first);
  } finally {
    memory.length = 0;
  }
}

function writeSteps(list: readonly Step[]): number {
  if (steps.length < list.length) steps = new StepTable(2 * list.length);
  makeRoom(list);
  const numbers = NUMBERS[arch()];
  for (let i = 0; i < list.length; i++) {
    const { call, args, passes } = list[i];
    const least = passes === undefined ? 0 : passes === "any" ? Number.MIN_SAFE_INTEGER : passes;
    const most = typeof passes === "number" ? passes : Number.MAX_SAFE_INTEGER;
    steps.write(i, numbers[call], args.map(wordOf), least, most);
  }
  return point(steps.bytes);
}

type Argument = Step["args"][number];

function isText(arg: Argument): arg is CText {
  return typeof arg === "string" || Array.isArray(arg);
}

/** Makes room for all texts, as none can move once it has an address. */
function makeRoom(list: readonly Step[]): void {
  const all: CText[] = [];
  for (const { args } of list) {
    for (const arg of args) if (isText(arg)) all.push(arg);
  }
  texts.empty(all);
}

function wordOf(arg: Argument): number {
  if (typeof arg === "number") return arg;
  return isText(arg) ? texts.put(arg) : point(arg);
}

/** The birth that is written: most are the same as the one before. */
let written: Birth | undefined;

function isSame(one: Birth, other: Birth | undefined): boolean {
  return one.call === other?.call && one.ownMemory === other.ownMemory &&
    one.cgroup === other.cgroup;
}

function writeBirth(birth: Birth): void {
  // Should there be no memory for it, what is written is none.
  written = undefined;
  const { call, ownMemory, cgroup } = birth;
  const flags = (ownMemory ? 0 : CLONE_VM) + CLONE_VFORK + CLONE_PIDFD;
  const pidfd = Number(addressOf(pidfdSlot.bytes));
  work.fields.birth = {
    number: NUMBERS[arch()][call],
    // With `stack` 0 the child goes on on this thread's stack, which it doesn't touch.
    args: call === "clone"
      ? [flags + SIGCHLD, 0, pidfd, 0, 0]
      : writeCloneArgs(flags, pidfd, cgroup),
  };
  work.fields.blocked = ALL_SIGNALS;
  work.fields.outcome = ownMemory ? Number(sharedOutcome()) : Number(addressOf(note.bytes));
  written = birth;
}

/** Writes the arguments of clone3, and returns those that tell where they are. */
function writeCloneArgs(flags: number, pidfd: number, cgroup: number | undefined): number[] {
  const intoCgroup = cgroup === undefined ? 0 : CLONE_INTO_CGROUP;
  birthArgs.fields.flags = flags + CLONE_CLEAR_SIGHAND + intoCgroup;
  birthArgs.fields.pidfd = pidfd;
  birthArgs.fields.exit_signal = SIGCHLD;
  birthArgs.fields.cgroup = cgroup ?? 0;
  const size = cgroup === undefined ? CLONE_ARGS_SIZE_VER0 : birthArgs.bytes.length;
  return [Number(addressOf(birthArgs.bytes)), size, 0, 0, 0];
}

/** What came of the job that was carried out. */
function bornOf(list: readonly Step[], first: number): Born | number {
  const { blocking, child: pid } = work.fields;
  if (blocking < 0) return blocking;
  if (pid < 0) return pid;
  const pidfd = pidfdSlot.fields.value;
  if (note.fields.step === 0) return { pid, pidfd };
  const { result, step } = note.fields;
  reap({ pid, pidfd });
  return { pid, pidfd, failed: { step: list[(step - first) / stepStruct.size], result } };
}

/** Takes away a child that ends by itself. Until then its PID is nobody else's. */
export function reap({ pid, pidfd }: Born): void {
  attempt(() => libc().waitid(P_PID, pid, null, WEXITED));
  if (pidfd !== NO_PIDFD) discard(pidfd);
}

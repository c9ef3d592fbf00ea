/**
 * One job of the launcher: written into memory, carried out, and what came of it.
 *
 * A child shares this program's memory until it executes its program (CLONE_VM). One that changes
 * its user must not: until then other processes of that user could trace it, and reach into
 * this program, so that the kernel makes the memory "not dumpable", and that would stay. Such a
 * child has a copy, as fork(2) makes it, and leaves its outcome in a page that both share.
 *
 * A child that the kernel kills with its pidfd (CLONE_PIDFD_AUTOKILL, Linux 7.1) is also one that
 * the kernel reaps (CLONE_AUTOREAP): it sends no SIGCHLD, and from its end on waitid(2) says ECHILD.
 *
 * A child can give way to another one, its heir, which goes on with its steps: so it comes to be in
 * a PID namespace that it has entered. Both are children of this program. The heir is held by its
 * PID, which is nobody else's until this program has reaped it.
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
import { pidfdOpen, poll } from "./syscalls.ts";

const CLONE_VM = 0x100;
const CLONE_PIDFD = 0x1000;
const CLONE_VFORK = 0x4000;
const CLONE_CLEAR_SIGHAND = 2 ** 32;
const CLONE_INTO_CGROUP = 2 ** 33;
const CLONE_AUTOREAP = 2 ** 34;
const CLONE_NNP = 2 ** 35;
const CLONE_PIDFD_AUTOKILL = 2 ** 36;

const SIGKILL = 9;
const SIGCHLD = 17;
const ALL_SIGNALS = 2n ** 64n - 1n;
const P_PID = 1;
const WEXITED = 0x4;
/** Only what poll(2) reports always: of a pidfd EPOLLHUP, once the process was reaped. */
const NO_EVENTS = 0;
const NO_PIDFD = -1;
/** A system call that no kernel has: it fails with ENOSYS. */
const NO_CALL = -1;

/** How a child is born. */
export interface Birth {
  /** clone3 also resets the signals that this program handles. */
  readonly call: "clone3" | "clone";
  /** Whether it has a copy of this program's memory. */
  readonly ownMemory?: boolean;
  /** An fd of the folder of the cgroup that it is born into, by clone3. */
  readonly cgroup?: number;
  /** Whether the kernel kills it when the last duplicate of its pidfd is closed, by clone3. */
  readonly killOnClose?: boolean;
  /** Whether one that is killed so can't gain privileges. Without, this takes CAP_SYS_ADMIN. */
  readonly noNewPrivileges?: boolean;
  /** The kinds of namespaces (`typesOf`) of which it has new ones; time only by clone3. */
  readonly namespaces?: number;
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
const outcomeNote = outcome.allocate();
const pidfdSlot = outInt.allocate();
let steps = new StepTable(32);

/** The texts that a job points to. */
const texts = new TextBlock(addressOf);

/** What else the steps point to. The memory stays referenced here until the call has returned. */
const referenced: Uint8Array<ArrayBuffer>[] = [];

/** Where memory is that was pointed to: it stays there as long as it lives. */
const addresses = new WeakMap<Uint8Array<ArrayBuffer>, number>();

function point(bytes: Uint8Array<ArrayBuffer>): number {
  referenced.push(bytes);
  let address = addresses.get(bytes);
  if (address === undefined) addresses.set(bytes, address = Number(addressOf(bytes)));
  return address;
}

/** Has a child born that takes some steps; returns −errno if there was no birth. */
export function carryOut(birth: Birth, list: readonly Step[]): Born | number {
  const code = launcherCode();
  try {
    const stepsAddress = writeSteps(list);
    work.fields.steps = stepsAddress;
    if (!isSame(birth, written)) writeBirth(birth);
    pidfdSlot.fields.value = NO_PIDFD;
    if (birth.ownMemory) clearSharedOutcome();
    else outcomeNote.bytes.fill(0);
    launcherLibc().bsearch(work.bytes, work.bytes, 1n, 1n, code);
    if (birth.ownMemory) readSharedOutcome(outcomeNote.bytes);
    return bornOf(birth, list, stepsAddress);
  } finally {
    referenced.length = 0;
    texts.release();
  }
}

function writeSteps(list: readonly Step[]): number {
  // With the end behind them.
  const count = list.length + 1;
  if (steps.length < count) steps = new StepTable(2 * count);
  makeRoom(list);
  const numbers = NUMBERS[arch()];
  for (let i = 0; i < list.length; i++) {
    const { call, args, passes } = list[i];
    const [least, most] = rangeOf(passes);
    steps.write(i, numbers[call], args.map(wordOf), least, most);
  }
  // A list that ends in no execution must not run on into the steps of another job.
  steps.write(list.length, NO_CALL, [], 0, Number.MAX_SAFE_INTEGER);
  return point(steps.bytes);
}

const SUCCESS = [0, Number.MAX_SAFE_INTEGER] as const;
const ANY = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

/** The lowest and the highest result that a child goes on with. */
function rangeOf(passes: Step["passes"]): readonly [least: number, most: number] {
  if (passes === undefined) return SUCCESS;
  return passes === "any" ? ANY : [passes, passes];
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
    one.cgroup === other.cgroup && one.killOnClose === other.killOnClose &&
    one.noNewPrivileges === other.noNewPrivileges && one.namespaces === other.namespaces;
}

function writeBirth(birth: Birth): void {
  // Should there be no memory for it, what is written is none.
  written = undefined;
  const { call, ownMemory, namespaces = 0 } = birth;
  const flags = (ownMemory ? 0 : CLONE_VM) + CLONE_VFORK + CLONE_PIDFD + namespaces;
  const pidfd = Number(addressOf(pidfdSlot.bytes));
  work.fields.birth = {
    number: NUMBERS[arch()][call],
    // With `stack` 0 the child goes on on this thread's stack, which it doesn't touch.
    args: call === "clone"
      ? [flags + SIGCHLD, 0, pidfd, 0, 0]
      : writeCloneArgs(birth, flags, pidfd),
  };
  work.fields.blocked = ALL_SIGNALS;
  work.fields.outcome = ownMemory ? Number(sharedOutcome()) : Number(addressOf(outcomeNote.bytes));
  written = birth;
}

/** Writes the arguments of clone3, and returns those that tell where they are. */
function writeCloneArgs(birth: Birth, flags: number, pidfd: number): number[] {
  const { cgroup, killOnClose, noNewPrivileges } = birth;
  const intoCgroup = cgroup === undefined ? 0 : CLONE_INTO_CGROUP;
  const withPidfd = CLONE_PIDFD_AUTOKILL + CLONE_AUTOREAP + (noNewPrivileges ? CLONE_NNP : 0);
  const killed = killOnClose ? withPidfd : 0;
  birthArgs.fields.flags = flags + CLONE_CLEAR_SIGHAND + intoCgroup + killed;
  birthArgs.fields.pidfd = pidfd;
  // Nobody is told of the end of a child that the kernel reaps.
  birthArgs.fields.exit_signal = killOnClose ? 0 : SIGCHLD;
  birthArgs.fields.cgroup = cgroup ?? 0;
  const size = cgroup === undefined ? CLONE_ARGS_SIZE_VER0 : birthArgs.bytes.length;
  return [Number(addressOf(birthArgs.bytes)), size, 0, 0, 0];
}

/** What came of the job that was carried out. */
function bornOf(birth: Birth, list: readonly Step[], stepsAddress: number): Born | number {
  const { blocking, child: pid } = work.fields;
  if (blocking < 0) return blocking;
  if (pid < 0) return pid;
  const child = { pid, pidfd: pidfdSlot.fields.value };
  const { step, result, heir } = outcomeNote.fields;
  if (step === 0 && heir === 0) return child;
  reap(birth, child);
  if (heir === 0) return { ...child, failed: { step: stepAt(list, step - stepsAddress), result } };
  const born = { pid: heir, pidfd: holdHeir(heir) };
  // Without a note the child was killed while its heir went on.
  const noted = step === 0 ? undefined : stepAt(list, step - stepsAddress);
  if (noted === undefined || noted.call === GIVING_WAY) return born;
  reap(birth, born);
  return { ...born, failed: { step: noted, result } };
}

/** What a child that has given way notes as the step that it couldn't go on with. */
const GIVING_WAY = "clone";

function stepAt(list: readonly Step[], offset: number): Step {
  const index = offset / stepStruct.size;
  if (!(index in list)) throw new Error("the steps of a child must end in an execution or an exit");
  return list[index];
}

/** A pidfd of an heir. One that can't be held doesn't stay. */
function holdHeir(pid: number): number {
  try {
    return pidfdOpen(pid, 0);
  } catch (error) {
    attempt(() => launcherLibc().kill(pid, SIGKILL));
    attempt(() => libc().waitid(P_PID, pid, null, WEXITED));
    throw error;
  }
}

/**
 * Takes away a child that ends by itself. Until then its PID is nobody else's, unless the kernel
 * reaps it.
 */
export function reap({ killOnClose }: Birth, { pid, pidfd }: Born): void {
  try {
    if (killOnClose) poll(pidfd, NO_EVENTS, Infinity);
    else attempt(() => libc().waitid(P_PID, pid, null, WEXITED));
  } finally {
    if (pidfd !== NO_PIDFD) discard(pidfd);
  }
}

/**
 * One job of the launcher: write it into memory, carry it out, read the outcome.
 *
 * A child shares this program's memory until it executes its program (CLONE_VM). The exception is a
 * child that changes its user. Other processes of the new user could trace it, and through it reach
 * this program's memory. To prevent that, the kernel would make the shared memory "not dumpable",
 * for this program as well and for good. So such a child gets a copy of the memory, as with
 * fork(2), and writes its outcome to a shared page.
 *
 * With CLONE_PIDFD_AUTOKILL (Linux 7.1) the kernel also reaps the child (CLONE_AUTOREAP). Such a
 * child sends no SIGCHLD, and after its end waitid(2) returns ECHILD.
 *
 * A child can be replaced by an heir: another process that continues its steps. The reason: setns
 * moves only a process's children into a PID namespace, not the process itself. Both are children
 * of this program. The heir's pidfd is opened by its PID, which can't be reused before this program
 * reaps it.
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
/** No events but those that poll(2) always reports, such as POLLHUP once a process was reaped. */
const NO_EVENTS = 0;
const NO_PIDFD = -1;
/** The number of no system call: it fails with ENOSYS. */
const NO_CALL = -1;

/** The way to start a child. */
export interface Birth {
  /** clone3 also resets the signals that this program handles. */
  readonly call: "clone3" | "clone";
  /** Whether it has a copy of this program's memory. */
  readonly ownMemory?: boolean;
  /** An fd of the folder of the cgroup that it is born into; clone3 only. */
  readonly cgroup?: number;
  /** Whether the kernel kills it when the last duplicate of its pidfd is closed; clone3 only. */
  readonly killOnClose?: boolean;
  /** With `killOnClose`: whether it can't gain privileges. If it can, this needs CAP_SYS_ADMIN. */
  readonly noNewPrivileges?: boolean;
  /** The kinds (`typesOf`) of new namespaces that it is born into; time with clone3 only. */
  readonly namespaces?: number;
}

/** The result of a birth. */
export interface Born {
  /** The child's pidfd; −1 if the call doesn't know CLONE_PIDFD. */
  readonly pidfd: number;
  /** The child's PID. */
  readonly pid: number;
  /** The step that failed, and its result. The child has then ended and was reaped. */
  readonly failed?: { readonly step: Step; readonly result: number };
}

// Synchronous calls can't overlap, so one block of each kind serves all jobs.
const work = job.allocate();
const birthArgs = cloneArgs.allocate();
const outcomeNote = outcome.allocate();
const pidfdSlot = outInt.allocate();
let steps = new StepTable(32);

/** The texts that a job points to. */
const texts = new TextBlock(addressOf);

/** Other memory that the steps point to. It stays referenced here until the call has returned. */
const referenced: Uint8Array<ArrayBuffer>[] = [];

/** The addresses of that memory. An address is constant as long as the memory lives. */
const addresses = new WeakMap<Uint8Array<ArrayBuffer>, number>();

function point(bytes: Uint8Array<ArrayBuffer>): number {
  referenced.push(bytes);
  let address = addresses.get(bytes);
  if (address === undefined) addresses.set(bytes, address = Number(addressOf(bytes)));
  return address;
}

/** Starts a child that takes the steps. Returns −errno if no child was born. */
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
  // One more for the end mark.
  const count = list.length + 1;
  if (steps.length < count) steps = new StepTable(2 * count);
  makeRoom(list);
  const numbers = NUMBERS[arch()];
  for (let i = 0; i < list.length; i++) {
    const { call, args, passes } = list[i];
    const [least, most] = rangeOf(passes);
    steps.write(i, numbers[call], args.map(wordOf), least, most);
  }
  // The end mark fails. So a list without an execution can't run on into older steps.
  steps.write(list.length, NO_CALL, [], 0, Number.MAX_SAFE_INTEGER);
  return point(steps.bytes);
}

const SUCCESS = [0, Number.MAX_SAFE_INTEGER] as const;
const ANY = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

/** The range of results after which a child goes on. */
function rangeOf(passes: Step["passes"]): readonly [least: number, most: number] {
  if (passes === undefined) return SUCCESS;
  return passes === "any" ? ANY : [passes, passes];
}

type Argument = Step["args"][number];

function isText(arg: Argument): arg is CText {
  return typeof arg === "string" || Array.isArray(arg);
}

/** Makes room for all texts beforehand: a text can't move once it has an address. */
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

/** The birth that is in memory now. Most births are the same as the one before. */
let written: Birth | undefined;

function isSame(one: Birth, other: Birth | undefined): boolean {
  return one.call === other?.call && one.ownMemory === other.ownMemory &&
    one.cgroup === other.cgroup && one.killOnClose === other.killOnClose &&
    one.noNewPrivileges === other.noNewPrivileges && one.namespaces === other.namespaces;
}

function writeBirth(birth: Birth): void {
  // If an allocation below fails, no valid birth is in memory.
  written = undefined;
  const { call, ownMemory, namespaces = 0 } = birth;
  const flags = (ownMemory ? 0 : CLONE_VM) + CLONE_VFORK + CLONE_PIDFD + namespaces;
  const pidfd = Number(addressOf(pidfdSlot.bytes));
  work.fields.birth = {
    number: NUMBERS[arch()][call],
    // `stack` 0: the child keeps this thread's stack, and doesn't touch it.
    args: call === "clone"
      ? [flags + SIGCHLD, 0, pidfd, 0, 0]
      : writeCloneArgs(birth, flags, pidfd),
  };
  work.fields.blocked = ALL_SIGNALS;
  work.fields.outcome = ownMemory ? Number(sharedOutcome()) : Number(addressOf(outcomeNote.bytes));
  written = birth;
}

/** Writes the struct for clone3, and returns the arguments that point to it. */
function writeCloneArgs(birth: Birth, flags: number, pidfd: number): number[] {
  const { cgroup, killOnClose, noNewPrivileges } = birth;
  const intoCgroup = cgroup === undefined ? 0 : CLONE_INTO_CGROUP;
  const withPidfd = CLONE_PIDFD_AUTOKILL + CLONE_AUTOREAP + (noNewPrivileges ? CLONE_NNP : 0);
  const killed = killOnClose ? withPidfd : 0;
  birthArgs.fields.flags = flags + CLONE_CLEAR_SIGHAND + intoCgroup + killed;
  birthArgs.fields.pidfd = pidfd;
  // A child that the kernel reaps sends no signal at its end.
  birthArgs.fields.exit_signal = killOnClose ? 0 : SIGCHLD;
  birthArgs.fields.cgroup = cgroup ?? 0;
  const size = cgroup === undefined ? CLONE_ARGS_SIZE_VER0 : birthArgs.bytes.length;
  return [Number(addressOf(birthArgs.bytes)), size, 0, 0, 0];
}

/** The result of the job that was carried out. */
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
  // If there is no note, the child was killed while its heir went on.
  const noted = step === 0 ? undefined : stepAt(list, step - stepsAddress);
  if (noted === undefined || noted.call === GIVING_WAY) return born;
  reap(birth, born);
  return { ...born, failed: { step: noted, result } };
}

/** The call of the step that a replaced child notes: its clone returns the heir's PID, not 0. */
const GIVING_WAY = "clone";

function stepAt(list: readonly Step[], offset: number): Step {
  const index = offset / stepStruct.size;
  if (!(index in list)) throw new Error("the steps of a child must end in an execution or an exit");
  return list[index];
}

/** A pidfd of an heir. If none can be opened, the heir is killed. */
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
 * Waits for a child that ends by itself, and reaps it. Its PID is safe to use: only this call frees
 * it. A child with `killOnClose` is reaped by the kernel, so its pidfd is used instead.
 */
export function reap({ killOnClose }: Birth, { pid, pidfd }: Born): void {
  try {
    if (killOnClose) poll(pidfd, NO_EVENTS, Infinity);
    else attempt(() => libc().waitid(P_PID, pid, null, WEXITED));
  } finally {
    if (pidfd !== NO_PIDFD) discard(pidfd);
  }
}

/**
 * The namespaces that a child is started in: those of another process (`nsenter`), and new ones
 * (`unshare`).
 *
 * The child enters them by itself, between its birth and its program, so that this thread stays
 * where it is, whatever fails. What it enters comes first, as nsenter(1) before unshare(1):
 *
 * - A user namespace before all else: its owner has the rights there that the others take. A
 *   namespace that is not below it is entered before, which takes this program's own rights.
 * - A PID namespace is for the children of the one who enters it. So the child gives way to a child
 *   of its own, which goes on in its place (`giveWay`).
 * - New namespaces for users, PIDs and time come with the birth, unless others are entered first.
 *   The others are made afterwards: a cgroup namespace begins where the child is by then.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import {
  AT_FDCWD,
  closeOnError,
  discard,
  duplicate,
  inode,
  isOpen,
  O_PATH,
  openat,
} from "../ffi/files.ts";
import { failedStep } from "../ffi/launch.ts";
import {
  giveWay,
  type Kind,
  makeMountsPrivate,
  setnsStep,
  unshareStep,
} from "../ffi/namespaces.ts";
import { type Step, writeFiles } from "../ffi/steps.ts";
import { effectiveIds } from "../ffi/syscalls.ts";
import { checkInstance, checkOneOf, checkOptions } from "../pidfd/arguments.ts";
import {
  NAMESPACE_KINDS,
  type NamespaceKind,
  namespaceLink,
  openNamespace,
} from "../pidfd/namespaces.ts";
import { partsOf, PidFd } from "../pidfd/pidfd.ts";
import { withProcDir } from "../pidfd/proc_dir.ts";
import { refusalOf } from "./namespace_refusals.ts";

/** Whose namespaces a process is started in. */
export interface NsenterOptions {
  /** The process that is in them. */
  target: PidFd;
  /** Which of its namespaces. */
  kinds: readonly NamespaceKind[];
}

/** The part of the options that the namespaces depend on. */
export interface NamespaceOptions {
  readonly unshare?: readonly NamespaceKind[];
  readonly nsenter?: NsenterOptions;
  readonly killOnClose?: boolean;
}

/** Namespaces that a child leaves this program's for. */
export interface Namespaces {
  readonly unshare: readonly NamespaceKind[];
  readonly nsenter: readonly NamespaceKind[];
  readonly target?: PidFd;
}

/** The order in which they are entered. Behind mnt, nothing of this program's is to be seen. */
const ORDER: readonly NamespaceKind[] = [
  ...["user", "cgroup", "ipc", "uts", "net", "pid", "pid_for_children"] as const,
  ...["time", "time_for_children", "mnt"] as const,
];

/** The kinds that a child has from its birth on, if nothing comes before them. */
const BY_BIRTH: ReadonlySet<NamespaceKind> = new Set(["user", "pid", "time"]);
/** Those that only a child of the one who enters them is in. */
const FOR_HEIRS: ReadonlySet<NamespaceKind> = new Set(["pid", "pid_for_children"]);
/** Those that a new one of is for the children alone. */
const FOR_CHILDREN: ReadonlySet<NamespaceKind> = new Set(["pid_for_children", "time_for_children"]);

/** Checks which namespaces a child is to be in; undefined for this program's own. */
export function namespacesOf(
  { unshare = [], nsenter, killOnClose }: NamespaceOptions,
): Namespaces | undefined {
  const made = kindsOf("options.unshare", unshare);
  if (nsenter === undefined) return made.length === 0 ? undefined : { unshare: made, nsenter: [] };
  checkOptions("options.nsenter", nsenter, ["target", "kinds"]);
  const { target, kinds } = nsenter;
  checkInstance("options.nsenter.target", target, "a PidFd", PidFd);
  const entered = kindsOf("options.nsenter.kinds", kinds);
  if (entered.length === 0) {
    throw new TypeError("options.nsenter.kinds must name at least one namespace");
  }
  for (const kind of made) {
    if (!entered.includes(kind)) continue;
    throw new TypeError(`options.unshare and options.nsenter.kinds must not both have ${kind}`);
  }
  for (const kind of ["pid", "time"] as const) {
    if (!entered.includes(kind) || !entered.includes(`${kind}_for_children`)) continue;
    throw new TypeError(
      `options.nsenter.kinds must not have both ${kind} and ${kind}_for_children: ` +
        "a process is in one of them",
    );
  }
  const namespaces = { unshare: made, nsenter: entered, target };
  if (killOnClose && givesWay(made, entered)) {
    throw new TypeError(
      "options.killOnClose can't go together with options.nsenter and a PID or time namespace: " +
        "the process is a child of the one that is killed",
    );
  }
  return namespaces;
}

/** A list of kinds without doubles, in the order in which they are entered and made. */
function kindsOf(name: string, kinds: unknown): NamespaceKind[] {
  checkInstance(name, kinds, "an array", Array);
  const list = [...kinds as NamespaceKind[]];
  for (let i = 0; i < list.length; i++) checkOneOf(`${name}[${i}]`, list[i], NAMESPACE_KINDS);
  return ORDER.filter((kind) => list.includes(kind));
}

/** Whether a child comes to be where it is to be only as a child of the one that went there. */
function givesWay(unshare: readonly NamespaceKind[], nsenter: readonly NamespaceKind[]): boolean {
  const hasMade = unshare.some((kind) => kind === "pid" || kind === "time");
  return nsenter.some((kind) => FOR_HEIRS.has(kind)) || (nsenter.length > 0 && hasMade);
}

/** The way of a child into its namespaces, with the descriptors that it takes. */
export class Passage implements Disposable {
  /** Whether it enters another process's user namespace. */
  readonly entersUser: boolean;
  /** Whether it is root where it enters a user namespace, unless told otherwise. */
  readonly becomesRoot: boolean;
  readonly #unshare: readonly NamespaceKind[];
  /** The namespaces that are entered before that of users, and from it on. */
  #before: Entry[] = [];
  #entries: Entry[] = [];
  #proc: number | undefined;
  #stdin: number | undefined;

  /**
   * @throws {SyscallError} `ESRCH` if the target has ended, `EACCES` without the right to look into it.
   */
  constructor({ unshare, nsenter, target }: Namespaces) {
    this.#unshare = unshare;
    try {
      if (target !== undefined) { for (const kind of nsenter) this.#open(target, kind); }
      this.entersUser = this.#entries.some(({ kind }) => kind === "user");
      this.becomesRoot = target !== undefined && this.entersUser && hasRoot(target);
      if (unshare.includes("user")) this.#openMaps();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The kinds of which the child is born into new namespaces. */
  get atBirth(): readonly NamespaceKind[] {
    return this.#entered().length > 0 ? [] : this.#unshare.filter((kind) => BY_BIRTH.has(kind));
  }

  /**
   * Whether the child needs memory of its own: who has the rights to it in another user namespace
   * could reach into this program's. Time takes a process of one thread.
   */
  get ownMemory(): boolean {
    const kinds = ["user", "time", "time_for_children"] as const;
    return this.#entered().length > 0 || kinds.some((kind) => this.#unshare.includes(kind));
  }

  /** Whether the child goes on in another one. */
  get givesWay(): boolean {
    return givesWay(this.#unshare, this.#entered().map(({ kind }) => kind));
  }

  /** Whether it can't see its parent, which is in no PID namespace of its own. */
  get hidesParent(): boolean {
    return this.givesWay || this.#unshare.includes("pid");
  }

  /** The child's steps. */
  steps(): Step[] {
    const { atBirth } = this;
    const rest = this.#unshare.filter((kind) => !atBirth.includes(kind) && !FOR_CHILDREN.has(kind));
    const forChildren = this.#unshare.filter((kind) => FOR_CHILDREN.has(kind));
    return [
      ...this.#entered().map(({ fd, kind }) => setnsStep(fd, kind)),
      ...atBirth.includes("user") ? this.#mapSteps() : [],
      ...rest.length > 0 ? [unshareStep(rest)] : [],
      ...rest.includes("user") ? this.#mapSteps() : [],
      ...rest.includes("mnt") ? [makeMountsPrivate()] : [],
      ...this.givesWay ? [giveWay()] : [],
      ...forChildren.length > 0 ? [unshareStep(forChildren)] : [],
    ];
  }

  /**
   * Whether it is worth another try: a namespace that is not below the user namespace is entered
   * before that then.
   */
  reconsider(error: unknown): boolean {
    const step = error instanceof SyscallError && error.code === "EPERM" && failedStep(error);
    if (!step || step.call !== "setns") return false;
    const entry = this.#entries.find(({ fd }) => fd === step.args[0]);
    if (!this.entersUser || entry === undefined || entry.kind === "user") return false;
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#before = [...this.#before, entry];
    return true;
  }

  /** Has an error say what to do about it. */
  explain(error: unknown): void {
    if (!(error instanceof SyscallError)) return;
    const advice = refusalOf(error, this.#unshare, this.#entered().map(({ kind }) => kind));
    if (advice !== undefined) error.message += `: ${advice}`;
  }

  /** Closes the descriptors. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#entered()) discard(fd);
    for (const fd of [this.#proc, this.#stdin]) if (fd !== undefined) discard(fd);
    this.#before = this.#entries = [];
    this.#proc = this.#stdin = undefined;
  }

  #entered(): Entry[] {
    return [...this.#before, ...this.#entries];
  }

  /** Opens a namespace, unless this thread is in it: the kernel refuses to enter that of users again. */
  #open(target: PidFd, kind: NamespaceKind): void {
    const fd = openNamespace(partsOf(target).handle, kind);
    if (closeOnError(fd, () => isOwn(fd, kind))) discard(fd);
    else this.#entries.push({ kind, fd });
  }

  #openMaps(): void {
    // Not by the number 0, which the child opens its maps by.
    const proc = openat(AT_FDCWD, "/proc", O_PATH);
    try {
      this.#proc = duplicate(proc);
    } finally {
      discard(proc);
    }
    if (isOpen(0)) this.#stdin = duplicate(0);
  }

  /** The child maps its own IDs to themselves: the one mapping that takes no privilege. */
  #mapSteps(): Step[] {
    const { uid, gid } = effectiveIds();
    const about = "unshare user";
    return writeFiles(this.#proc!, [
      // Without it, a user could leave a group that keeps it from a file.
      { path: "self/setgroups", text: "deny", about },
      { path: "self/uid_map", text: `${uid} ${uid} 1`, about },
      { path: "self/gid_map", text: `${gid} ${gid} 1`, about },
    ], this.#stdin);
  }
}

/** A namespace to enter. */
interface Entry {
  readonly kind: Kind;
  readonly fd: number;
}

/** Whether a child of this thread is in a namespace anyhow. */
function isOwn(fd: number, kind: NamespaceKind): boolean {
  const name = kind === "pid" || kind === "time" ? `${kind}_for_children` as const : kind;
  return namespaceLink(name)?.endsWith(`:[${inode(fd)}]`) === true;
}

/** Whether a process's user namespace has a root: a user 0 and a group 0. */
function hasRoot(target: PidFd): boolean {
  return withProcDir(
    partsOf(target).handle,
    (proc) => ["uid_map", "gid_map"].every((name) => /^ *0 /m.test(proc.readTextFile(name))),
  );
}

/**
 * What holds a child together with all that it starts, however that detaches: double forks, new
 * sessions, other users, empty environments, parents that are gone.
 *
 * There are two means, and the stronger one is taken that this program has, found by trying:
 *
 * - **A cgroup of the child's own**, where this program may make one, from Linux 5.14 on. All that the
 *   child starts is born in it, the kernel knows who is in it, and ends them together. Out of it gets
 *   only a process that is moved by somebody who may write to the cgroup it goes to.
 * - **A mark** that all of them have: see mark.ts. The tree is searched for by it, as killTree
 *   searches for descendants. Out of it gets only a process that sets another limit of that kind,
 *   and then loses the parent that it was to be found by.
 *
 * Neither holds what another service starts on the child's behalf, such as cron, systemd or Docker.
 *
 * @module
 */

import { cgroupSpawn, pidfdOpenCall } from "../ffi/capabilities.ts";
import { SyscallError, UnsupportedError } from "../ffi/errors.ts";
import { tryCgroupBirth } from "../ffi/launch.ts";
import { partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { type Cgroup, openFolder, ownPath } from "./cgroup.ts";
import { CgroupFolder, uniqueName } from "./cgroup_folder.ts";
import { Mark } from "./mark.ts";

/** How long the kernel may count a process that has ended, in milliseconds: mostly not at all. */
const MOMENT = 20;

/** By what children are contained here. */
export type ContainmentKind = "cgroup" | "mark";

/** What holds one child and all that it starts. */
export class Containment implements Disposable {
  /** The cgroup of its own; or the one that it's placed in, if any. */
  readonly folder: CgroupFolder | undefined;
  /** The mark, if it has no cgroup of its own. */
  readonly mark: Mark | undefined;
  #isOver = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  private constructor(folder: CgroupFolder | undefined, mark?: Mark) {
    this.folder = folder;
    this.mark = mark;
  }

  /**
   * Makes the strongest that there is.
   *
   * @param place Where the child is to be: it gets a cgroup of its own below that one.
   * @throws {UnsupportedError} If there is no means at all.
   */
  static create(place: string | Cgroup | undefined): Containment {
    if (place === undefined) {
      return ownCgroups.available
        ? new Containment(makeOwn())
        : new Containment(undefined, makeMark());
    }
    using opened = new DisposableStack();
    const folder = opened.use(openFolder("options.cgroup", place));
    if (ownCgroups.available) return new Containment(folder.make(uniqueName()));
    const mark = makeMark();
    opened.move();
    return new Containment(folder, mark);
  }

  /** Has others find it by the child's handle. */
  hold(child: PidFd): void {
    held.set(partsOf(child).exit.process, this);
  }

  /** Whether there is nothing to hold any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The child has ended. If nobody is left in its cgroup, there is nothing to hold any more. */
  childEnded(): void {
    if (this.#isOver || this.mark !== undefined || this.#tryRemove()) return;
    // The kernel counts who has ended for a moment longer. Who is really left is disposal's to end.
    this.#retry = setTimeout(() => this.#tryRemove(), MOMENT);
    Deno.unrefTimer(this.#retry);
  }

  /** Nobody is left: removes the cgroup, and lets go of it. */
  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    if (this.#isOver) return;
    try {
      if (this.mark === undefined) removeNow(this.folder!);
    } finally {
      this.#letGo();
    }
  }

  /** Nobody asked for it: what is in the way is told by disposal. */
  #tryRemove(): boolean {
    try {
      if (!isRemovable(this.folder!)) return false;
    } catch {
      return false;
    }
    this.#letGo();
    return true;
  }

  #letGo(): void {
    this.#isOver = true;
    this.folder?.[Symbol.dispose]();
  }
}

/** Removes a cgroup, if nobody is in it. */
function isRemovable(folder: CgroupFolder): boolean {
  try {
    folder.remove();
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EBUSY") return false;
    throw error;
  }
}

/** Removes a cgroup whose last process was reaped, which the kernel counts for a moment longer. */
function removeNow(folder: CgroupFolder): void {
  for (const end = performance.now() + MOMENT; !isRemovable(folder);) {
    if (performance.now() > end) return;
  }
}

const held = new WeakMap<object, Containment>();

/** What holds a child, by one of its handles; undefined if nothing does any more. */
export function containmentOf(child: PidFd): Containment | undefined {
  const containment = held.get(partsOf(child).exit.process);
  return containment?.isOver ? undefined : containment;
}

/** Whether this program may make cgroups below its own, tried once. */
export const ownCgroups = {
  known: undefined as boolean | undefined,
  get available(): boolean {
    return this.known ??= canHaveCgroups();
  },
};

/** Whether there is room for a mark, found out once. */
export const marks = {
  known: undefined as boolean | undefined,
  get available(): boolean {
    return this.known ??= canHaveMarks();
  },
};

/** By what children are contained here; false if by nothing. */
export function containmentKind(): ContainmentKind | false {
  if (ownCgroups.available) return "cgroup";
  return marks.available && "mark";
}

function canHaveMarks(): boolean {
  try {
    return makeMark() !== undefined;
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    // A /proc that isn't there, or lacks the file.
    if (error instanceof SyscallError && HIDDEN.includes(error.code)) return false;
    throw error;
  }
}

/** Makes a mark. Those who have it are found by their PIDs, and have to be held then. */
function makeMark(): Mark {
  pidfdOpenCall.require();
  return Mark.create();
}

/**
 * Errors by which the system says that it isn't for this program to make cgroups here: EAGAIN where
 * there may be none below (cgroup.max.depth, cgroup.max.descendants).
 */
const REFUSALS: readonly string[] = [
  ...["EACCES", "EPERM", "EROFS", "ENOENT", "EBUSY", "EOPNOTSUPP", "EINVAL", "EAGAIN"],
];

/** Errors by which the system says that it doesn't show this program's limits. */
const HIDDEN: readonly string[] = ["EACCES", "ENOENT", "EPERM"];

/** Whether a cgroup can be made, a child be born in it, and all in it be ended. */
function canHaveCgroups(): boolean {
  if (!cgroupSpawn.available) return false;
  try {
    const folder = makeOwn();
    try {
      folder.requireKill();
      return tryCgroupBirth(folder.fd) === 0;
    } finally {
      removeNow(folder);
      folder[Symbol.dispose]();
    }
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    if (error instanceof SyscallError && REFUSALS.includes(error.code)) return false;
    throw error;
  }
}

/** Makes a cgroup below this program's own. */
function makeOwn(): CgroupFolder {
  const path = ownPath();
  const name = uniqueName();
  using own = CgroupFolder.open(path, "this program's cgroup");
  return own.make(name, `${path}/${name}`);
}

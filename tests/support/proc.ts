/**
 * What the kernel tells of this process and of others. Nothing is imported here, so that programs
 * that run without the tests' import map can ask, too.
 *
 * @module
 */

/** The fds that this process has open. */
export function openFds(): string[] {
  const own = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name);
  // The one that was open for the reading is gone again.
  return own.filter((fd) => exists(`/proc/self/fd/${fd}`)).sort();
}

/** How many threads this process has. */
export function threads(): number {
  return [...Deno.readDirSync("/proc/self/task")].length;
}

/** The children of this process, with those that ended and were not reaped. */
export function children(): { pid: number; state: string }[] {
  return listedChildren().flatMap((pid) => {
    const stat = readStat(pid);
    return stat?.ppid === Deno.pid ? [{ pid, state: stat.state }] : [];
  });
}

/** Who can be a child of this process: by its threads' lists, or where there are none, anybody. */
function listedChildren(): number[] {
  // Null without CONFIG_PROC_CHILDREN, or if the thread has ended.
  const lists = [...Deno.readDirSync("/proc/self/task")]
    .map(({ name: tid }) => readProc(`self/task/${tid}/children`));
  const names = lists.every((list) => list === null)
    ? [...Deno.readDirSync("/proc")].map(({ name }) => name)
    : lists.flatMap((list) => list?.split(" ") ?? []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The children of this process that ended and were not reaped. */
export function zombies(): number[] {
  return children().filter(({ state }) => state === "Z").map(({ pid }) => pid);
}

/** State and parent of a process, or null if there is none. */
export function readStat(pid: number): { state: string; ppid: number } | null {
  const text = readProc(`${pid}/stat`);
  if (text === null) return null;
  const [state, ppid] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, ppid: Number(ppid) };
}

/** The text of a file below /proc; null if there is none, or its process or thread has ended. */
export function readProc(path: string): string | null {
  try {
    return Deno.readTextFileSync(`/proc/${path}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || String(error).includes("No such process")) {
      return null;
    }
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

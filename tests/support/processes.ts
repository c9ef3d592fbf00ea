/**
 * What many tests need to know about this process, and the processes that they need to have.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** The project's root folder. */
export const ROOT: string = fromFileUrl(new URL("../../", import.meta.url));

/** How long a test waits for what must come; it is a failure, never a measurement. */
export const PATIENCE = 60_000;

export const isRoot: boolean = Deno.uid() === 0;

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

/** The children of this process that ended and were not reaped. */
export function zombies(): number[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => Number(name))
    .filter((pid) => {
      const stat = readStat(pid);
      return stat?.state === "Z" && stat.ppid === Deno.pid;
    });
}

/** State and parent of a process, or null if there is none. */
export function readStat(pid: number): { state: string; ppid: number } | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || String(error).includes("No such process")) {
      return null;
    }
    throw error;
  }
  const [state, ppid] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, ppid: Number(ppid) };
}

/** Resolves once the condition holds; rejects after a generous while. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/**
 * Runs a program in a Deno of its own and returns what it printed. `@pidfd/util` and `@std` can
 * be imported in it as everywhere.
 */
export async function runProgram(
  code: string,
  { flags = ["--allow-ffi"], env }: { flags?: string[]; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, code);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", "--import-map", IMPORT_MAP, ...flags, file],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
    });
    const { code: status, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: status, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

const IMPORT_MAP = `${ROOT}tests/std/import_map.json`;

/** A process that is not our child, and whose parent reaps it when told to. */
export interface Stranger {
  pid: number;
  /** Lets the parent reap it; resolves once it has. */
  reap(): Promise<void>;
  /** Ends both. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a shell command as a stranger to this process. */
export async function startStranger(command: string): Promise<Stranger> {
  const parent = new Deno.Command("sh", {
    args: [
      "-c",
      `sh -c "$0" <&- >&- 2>&- & echo $!; read _; wait $!; echo reaped; read _`,
      command,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const input = parent.stdin.getWriter();
  const pid = Number((await output.read()).value);
  let told = false;
  const reap = async () => {
    if (told) return;
    told = true;
    await input.write(new TextEncoder().encode("\n"));
    await output.read();
  };
  return {
    pid,
    reap,
    async [Symbol.asyncDispose]() {
      if (!told) Deno.kill(pid, "SIGKILL");
      await reap();
      await input.close();
      await output.cancel();
      await parent.status;
    },
  };
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

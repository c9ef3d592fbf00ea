/**
 * Who is in which namespaces, in the words of /proc, and what this thread must never lose.
 *
 * @module
 */

import { namespaceIoctls } from "../../ffi/capabilities.ts";
import { type Child, features, type NamespaceKind, PidFd, spawn } from "../../mod.ts";
import { Passage } from "../../process/namespaces.ts";
import type { UnreapedChild } from "./children.ts";
import { startPlanned } from "./plans.ts";
import { collected } from "./garbage.ts";
import { idle, isRoot } from "./processes.ts";
import { without } from "./shadow.ts";
import { needing } from "./skip.ts";

/** The kinds that the running kernel has, a process's own. */
export const OWN_KINDS: readonly NamespaceKind[] = [...Deno.readDirSync("/proc/self/ns")]
  .map(({ name }) => name as NamespaceKind)
  .filter((name) => !name.endsWith("_for_children"))
  .sort();

/** Whether `spawn` can make namespaces here. */
export const canUnshare: boolean = isRoot || features().userNamespaces;

/** What `canUnshare` stands for. */
export const USER_NAMESPACES = "user namespaces, or root";

/** Registers a test that makes namespaces, and may need something else as well. */
export function testNamespaces(
  name: string,
  fn: () => Promise<void> | void,
  [what, isThere]: readonly [string, boolean] = ["", true],
): void {
  const need = isThere ? USER_NAMESPACES : what;
  Deno.test({ ...needing(need, canUnshare && isThere, name), fn });
}

/** The option by which unshare(1) and nsenter(1) take a kind. */
export function optionOf(kind: string): string {
  return kind === "mnt" ? "--mount" : `--${kind}`;
}

/** A kind, with what an ordinary user needs beside it. */
export function withRights(...kinds: NamespaceKind[]): NamespaceKind[] {
  return isRoot || kinds.includes("user") ? kinds : ["user", ...kinds];
}

/** Each namespace of a process, by its kind. */
export function namespacesOf(pid: number | "thread-self"): Record<string, string> {
  return Object.fromEntries(
    OWN_KINDS.map((kind) => [kind, Deno.readLinkSync(`/proc/${pid}/ns/${kind}`)]),
  );
}

/** The kinds of which a process has another namespace than this thread. */
export function foreignKinds(pid: number): string[] {
  const [ours, theirs] = [namespacesOf("thread-self"), namespacesOf(pid)];
  return OWN_KINDS.filter((kind) => ours[kind] !== theirs[kind]);
}

const libc = Deno.dlopen("libc.so.6", {
  // int prctl(int op, ...);
  prctl: { parameters: ["i32"], result: "i32" },
});
const PR_GET_DUMPABLE = 3;

/** All of this thread that a child's way into namespaces could change. */
export function standing(): Record<string, unknown> {
  const status = Deno.readTextFileSync("/proc/thread-self/status");
  const kinds = [...Deno.readDirSync("/proc/thread-self/ns")].map(({ name }) => name);
  return {
    namespaces: kinds.map((kind) => Deno.readLinkSync(`/proc/thread-self/ns/${kind}`)).sort(),
    status: status.match(/^(Uid|Gid|Groups|Cap\w+|NoNewPrivs|Sig(Blk|Ign|Cgt)|Umask):.*$/gm),
    root: [Deno.readLinkSync("/proc/thread-self/root"), Deno.cwd(), Deno.statSync("/").ino],
    dumpable: libc.symbols.prctl(PR_GET_DUMPABLE),
  };
}

/**
 * A process with new namespaces, which nothing waits for: `idle` can be waited for meanwhile.
 */
export function startApart(unshare: readonly NamespaceKind[] = OWN_KINDS): UnreapedChild {
  using passage = new Passage({ unshare, nsenter: [] });
  const pidfd = PidFd.fromFd(startPlanned("exec sleep 60", { passage }));
  return {
    pid: pidfd.getPid(),
    pidfd,
    [Symbol.dispose]() {
      pidfd.kill();
      pidfd.waitSync({ reap: true });
      pidfd.close();
    },
  };
}

/** Resolves once no wait is left, and nothing that the collector would close. */
export async function settled(): Promise<void> {
  await idle();
  await collected();
}

/** A command that mounts a file system over a folder: not every machine has mount(8). */
export function mounting(folder: string): string[] {
  const code = `
    const { symbols } = Deno.dlopen("libc.so.6", {
      mount: { parameters: ["buffer", "buffer", "buffer", "usize", "pointer"], result: "i32" },
    });
    const text = (text) => new TextEncoder().encode(text + "\\0");
    const [type, path] = [text("tmpfs"), text(${JSON.stringify(folder)})];
    if (symbols.mount(type, path, type, 0n, null) !== 0) throw new Error("mount(2)");
  `;
  return [Deno.execPath(), "eval", code];
}

/** Each kind by itself with what it needs, and all of them. */
export const COMBINATIONS: readonly NamespaceKind[][] = [
  ...OWN_KINDS.map((kind) => withRights(kind)),
  [...OWN_KINDS],
];

/** The ways in which a process's namespaces are found. */
export const WAYS: Readonly<Record<string, () => Disposable>> = {
  "": () => ({ [Symbol.dispose]() {} }),
  ", through /proc": () => without(namespaceIoctls),
};

/** A process with namespaces of its own, of every kind unless told otherwise. */
export function startTarget(unshare: readonly NamespaceKind[] = OWN_KINDS): Child {
  return spawn("sleep", ["60"], { stdin: "null", unshare, end: { signal: "SIGKILL" } });
}

/**
 * The id of a process's cgroup, and where the older way, which looks for the cgroup's folder,
 * finds it: in all mounts that a process could see, and nowhere else.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { infoIoctl } from "../../ffi/capabilities.ts";
import { PidFd, UnsupportedError } from "../../mod.ts";
import { blockUntilEnded, startUnreaped } from "../support/children.ts";
import { openingInstead } from "../support/openat.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

/** Where the unified hierarchy is mounted, if this process may make a folder there. */
const HIERARCHY = writableHierarchy();

function writableHierarchy(): string | null {
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
  const [, point] = /^\d+ \d+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mounts) ?? [];
  if (point === undefined) return null;
  const probe = join(point, `pidfd-probe-${Deno.pid}`);
  try {
    Deno.mkdirSync(probe);
    Deno.removeSync(probe);
    return point;
  } catch {
    return null;
  }
}

function inode(path: string): bigint {
  return BigInt(Deno.statSync(path).ino!);
}

/** A cgroup of the test's own. */
function makeCgroup(): Disposable & { readonly path: string } {
  const path = join(HIERARCHY!, `pidfd-test-${Deno.pid}`);
  Deno.mkdirSync(path);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

const NEEDED = ["a cgroup2 that can be written to", HIERARCHY !== null] as const;

Deno.test(
  needing(...NEEDED, "PidFd.getCgroupId() is the inode number of the cgroup's folder"),
  () => {
    using cgroup = makeCgroup();
    using child = startUnreaped("exec sleep 60");
    Deno.writeTextFileSync(join(cgroup.path, "cgroup.procs"), String(child.pid));
    const id = inode(cgroup.path);
    assertEquals([child.pidfd.getCgroupId(), child.pidfd.getInfo().cgroupId], [id, id]);
    using _ = without(infoIoctl);
    assertEquals([child.pidfd.getCgroupId(), child.pidfd.getInfo().cgroupId], [id, id]);
  },
);

Deno.test(
  needing(...NEEDED, "PidFd.getInfo() under /proc tells the rest if the cgroup was removed"),
  () => {
    using child = startUnreaped("exec sleep 60");
    {
      using cgroup = makeCgroup();
      Deno.writeTextFileSync(join(cgroup.path, "cgroup.procs"), String(child.pid));
      child.pidfd.kill();
      blockUntilEnded(child.pid);
    }
    using _ = without(infoIoctl);
    const { pid, ppid, cgroupId, creds } = child.pidfd.getInfo();
    assertEquals([pid, ppid, cgroupId], [child.pid, Deno.pid, null]);
    assertEquals(child.pidfd.getCreds(), creds);
  },
);

/** Folders in place of a mount, and texts in place of what /proc says. */
function scene(): Disposable & { readonly folder: string; write(text: string): string } {
  const folder = Deno.makeTempDirSync();
  Deno.mkdirSync(join(folder, "mount/a/b"), { recursive: true });
  Deno.mkdirSync(join(folder, "mount/with space"), { recursive: true });
  Deno.mkdirSync(join(folder, "outside"));
  let files = 0;
  return {
    folder,
    write(text) {
      const path = join(folder, `text-${files++}`);
      Deno.writeTextFileSync(path, text);
      return path;
    },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** A line of mountinfo. */
function mount(root: string, point: string): string {
  return `41 31 0:38 ${root} ${point} rw,relatime shared:7 - cgroup2 cgroup2 rw\n`;
}

/** What is mounted, the process's path, and the folder in the scene that it means. */
const CASES: Record<string, [mounts: (at: string) => string, path: string, found: string | null]> =
  {
    "below a mount of the whole": [(at) => mount("/", `${at}/mount`), "/a/b", "mount/a/b"],
    "at the top of a mount of the whole": [(at) => mount("/", `${at}/mount`), "/", "mount"],
    "below a mount of a part": [(at) => mount("/x", `${at}/mount`), "/x/a", "mount/a"],
    "at the top of a mount of a part": [(at) => mount("/x", `${at}/mount`), "/x", "mount"],
    "in the mount that shows it": [
      (at) => mount("/x", `${at}/outside`) + mount("/y", `${at}/mount`),
      "/y/a",
      "mount/a",
    ],
    "through a mount from outside of the cgroup namespace": [
      (at) => mount("/..", `${at}/mount`),
      "/../a",
      "mount/a",
    ],
    "at a place with a space in it": [
      (at) => mount("/", `${at}/mount/with\\040space`),
      "/",
      "mount/with space",
    ],
    "beside a mount of a part": [(at) => mount("/x", `${at}/mount`), "/xa", null],
    "above a mount of a part": [(at) => mount("/x", `${at}/mount`), "/", null],
    "outside of a mount of the whole": [(at) => mount("/", `${at}/mount`), "/../outside", null],
    "where it was removed": [(at) => mount("/", `${at}/mount`), "/gone (deleted)", null],
    "without a mount": [() => "41 31 0:38 / /proc rw - proc proc rw\n", "/a", null],
  };

for (const [where, [mounts, path, found]] of Object.entries(CASES)) {
  const finding = found === null ? "no cgroup" : "the cgroup";
  Deno.test(`PidFd.getCgroupId() under /proc finds ${finding} ${where}`, () => {
    using _ = without(infoIoctl);
    using at = scene();
    using self = PidFd.fromSelf();
    using _mounts = openingInstead("/proc/self/mountinfo", at.write(mounts(at.folder)));
    using _cgroup = openingInstead("cgroup", at.write(`1:cpu:/elsewhere\n0::${path}\n`));
    const id = found === null ? null : inode(join(at.folder, found));
    assertEquals(self.getInfo().cgroupId, id);
    if (id !== null) return assertEquals(self.getCgroupId(), id);
    const { since } = assertThrows(
      () => self.getCgroupId(),
      UnsupportedError,
      "a cgroup2 mount must contain the process's cgroup",
    );
    assertEquals(since, "Linux 6.13");
  });
}

Deno.test("PidFd.getCgroupId() under /proc finds none without the unified hierarchy", () => {
  using _ = without(infoIoctl);
  using at = scene();
  using self = PidFd.fromSelf();
  using _cgroup = openingInstead("cgroup", at.write("1:cpu:/a\n"));
  assertEquals(self.getInfo().cgroupId, null);
  assertThrows(() => self.getCgroupId(), UnsupportedError, "the process's cgroup id");
});

/**
 * Where a process's cgroup is, by /proc/PID/cgroup and /proc/PID/mountinfo.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseCgroupMounts, parseCgroupPath } from "../../pidfd/proc_text.ts";

Deno.test("parseCgroupPath() reads the path where cgroup2 is alone", () => {
  assertEquals(
    parseCgroupPath("0::/user.slice/user-0.slice/session-1.scope\n"),
    "/user.slice/user-0.slice/session-1.scope",
  );
  assertEquals(parseCgroupPath("0::/\n"), "/");
});

Deno.test("parseCgroupPath() reads the path of cgroup2 beside version 1", () => {
  const hybrid = `13:pids:/user.slice
12:cpu,cpuacct:/
10:memory:/user.slice/user-0.slice
1:name=systemd:/user.slice/user-0.slice/session-1.scope
0::/user.slice/user-0.slice/session-1.scope
`;
  assertEquals(parseCgroupPath(hybrid), "/user.slice/user-0.slice/session-1.scope");
});

Deno.test("parseCgroupPath() is null where there is version 1 alone", () => {
  const old = "13:pids:/user.slice\n10:memory:/0::/\n1:name=systemd:/\n";
  assertEquals(parseCgroupPath(old), null);
  assertEquals(parseCgroupPath(""), null);
});

Deno.test("parseCgroupPath() reads a path with colons, and one outside the namespace's root", () => {
  assertEquals(parseCgroupPath("0::/a:b/0::/c\n"), "/a:b/0::/c");
  assertEquals(parseCgroupPath("0::/../other\n"), "/../other");
});

Deno.test("parseCgroupPath() is null for a cgroup that was removed", () => {
  assertEquals(parseCgroupPath("0::/gone (deleted)\n"), null);
  assertEquals(parseCgroupPath("0::/not (deleted) yet\n"), "/not (deleted) yet");
});

/** Lines of /proc/self/mountinfo: other file systems, and cgroups in the forms that occur. */
const ROOT = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro";
const VERSION_1 = "33 32 0:29 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory";
const VERSION_2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw";

function mountinfo(...lines: string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

Deno.test("parseCgroupMounts() finds the mount of cgroup2", () => {
  assertEquals(parseCgroupMounts(mountinfo(ROOT, VERSION_2)), [
    { root: "/", point: "/sys/fs/cgroup" },
  ]);
});

Deno.test("parseCgroupMounts() finds the mount of cgroup2 beside version 1", () => {
  const unified = VERSION_2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ");
  assertEquals(parseCgroupMounts(mountinfo(ROOT, VERSION_1, unified)), [
    { root: "/", point: "/sys/fs/cgroup/unified" },
  ]);
});

Deno.test("parseCgroupMounts() finds none where there is none", () => {
  assertEquals(parseCgroupMounts(mountinfo(ROOT, VERSION_1)), []);
  assertEquals(parseCgroupMounts(""), []);
});

Deno.test("parseCgroupMounts() finds all of several, in their order", () => {
  const part = "99 98 0:26 /kubepods/pod1 /mnt/part rw - cgroup2 none rw";
  assertEquals(parseCgroupMounts(mountinfo(part, ROOT, VERSION_2)), [
    { root: "/kubepods/pod1", point: "/mnt/part" },
    { root: "/", point: "/sys/fs/cgroup" },
  ]);
});

Deno.test("parseCgroupMounts() reads lines with any number of optional fields", () => {
  for (const fields of ["", "shared:4 ", "master:1 propagate_from:2 ", "shared:1 master:2 x:3 "]) {
    const line = `30 23 0:26 / /mnt rw ${fields}- cgroup2 cgroup2 rw`;
    assertEquals(parseCgroupMounts(mountinfo(line)), [{ root: "/", point: "/mnt" }]);
  }
});

Deno.test("parseCgroupMounts() undoes the kernel's escapes, once", () => {
  const line = "30 23 0:26 /a\\040b /mnt/tab\\011line\\012back\\134slash\\134040 rw - cgroup2 c rw";
  assertEquals(parseCgroupMounts(mountinfo(line)), [
    { root: "/a b", point: "/mnt/tab\tline\nback\\slash\\040" },
  ]);
});

Deno.test("parseCgroupMounts() goes by the file system's type alone", () => {
  const others = [
    // A mount point and a source of this name, and an option.
    "40 22 0:40 / /cgroup2 rw - tmpfs cgroup2 rw,cgroup2",
    "41 22 0:41 /cgroup2 /- rw - ext4 /dev/sdb rw",
    // Lines that are cut short.
    "42 22 0:42 / /mnt rw -",
    "43 22 0:43 / - cgroup2",
    "",
  ];
  assertEquals(parseCgroupMounts(mountinfo(...others)), []);
});

Deno.test("parseCgroupMounts() reads this process's own", () => {
  const points = parseCgroupMounts(Deno.readTextFileSync("/proc/self/mountinfo"))
    .map(({ point }) => point);
  const byMounts = Deno.readTextFileSync("/proc/self/mounts").split("\n")
    .map((line) => line.split(" ")).filter(([, , type]) => type === "cgroup2");
  assertEquals(points, byMounts.map(([, point]) => point));
});

/**
 * The texts of /proc: real ones of several kernels, what a hostile process can make of them, and
 * what must not be taken for one of them.
 *
 * @module
 */

import { assertEquals, assertGreater, assertStringIncludes, assertThrows } from "@std/assert";
import { PidFd } from "../../mod.ts";
import { parseFdinfoPid, parseNsPids, parseStat, parseStatus } from "../../pidfd/proc_text.ts";
import { eventually } from "../support/processes.ts";

function fdinfo(...lines: string[]): string {
  return ["pos:\t0", "flags:\t02000002", "mnt_id:\t15", "ino:\t8", ...lines, ""].join("\n");
}

Deno.test("parseFdinfoPid() reads the PID of a pidfd's process", () => {
  assertEquals(parseFdinfoPid(fdinfo("Pid:\t4711", "NSpid:\t4711")), 4711);
  // Inside a container's PID namespace.
  assertEquals(parseFdinfoPid(fdinfo("Pid:\t4711", "NSpid:\t4711\t1")), 4711);
});

Deno.test("parseFdinfoPid() reads −1 for a process that was reaped", () => {
  assertEquals(parseFdinfoPid(fdinfo("Pid:\t-1", "NSpid:\t-1")), -1);
});

Deno.test("parseFdinfoPid() reads 0 for a process that isn't visible", () => {
  assertEquals(parseFdinfoPid(fdinfo("Pid:\t0", "NSpid:\t0")), 0);
});

Deno.test("parseFdinfoPid() is null for what is no pidfd", () => {
  const others = [
    fdinfo(),
    fdinfo("eventfd-count:                0", "eventfd-id: 1"),
    fdinfo("tfd:        5 events:       19 data:                5  pos:0 ino:4 sdev:f"),
    // Only a line of its own counts.
    fdinfo("NSpid:\t7"),
    fdinfo(" Pid:\t7"),
    fdinfo("Pid:\tseven"),
    fdinfo("Pid:\t7 8"),
    fdinfo("Pid:"),
    "",
  ];
  for (const text of others) assertEquals(parseFdinfoPid(text), null);
});

Deno.test("parseFdinfoPid() tells a real pidfd from other fds", () => {
  const read = (fd: number) => parseFdinfoPid(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`));
  using self = PidFd.fromSelf();
  using net = self.getNamespace("net");
  assertEquals([read(self.fd), read(net.fd), read(0)], [Deno.pid, null, null]);
});

Deno.test("parseNsPids() reads the PIDs of all namespaces, of fdinfo and of status", () => {
  assertEquals(parseNsPids(fdinfo("Pid:\t4711", "NSpid:\t4711")), [4711]);
  assertEquals(parseNsPids(fdinfo("Pid:\t4711", "NSpid:\t4711\t12\t1")), [4711, 12, 1]);
  assertEquals(parseNsPids("Name:\tcat\nNStgid:\t7\t1\nNSpid:\t8\t2\nNSpgid:\t7\t1\n"), [8, 2]);
  assertEquals(parseNsPids(fdinfo("Pid:\t-1", "NSpid:\t-1")), [-1]);
});

Deno.test("parseNsPids() is null where there is no such line", () => {
  for (const lines of [[], ["Pid:\t7"], ["NSpid:"], ["NSpid:\tseven"], [" NSpid:\t7"]]) {
    assertEquals(parseNsPids(fdinfo(...lines)), null);
  }
});

/** /proc/PID/status, shortened to what surrounds the fields that are read. */
const STATUS = `Name:\tcat
Umask:\t0022
State:\tR (running)
Tgid:\t4711
Ngid:\t0
Pid:\t4712
PPid:\t4700
TracerPid:\t0
Uid:\t1000\t1001\t1002\t1003
Gid:\t100\t101\t102\t103
FDSize:\t64
Groups:\t4 24 27 1000 
NStgid:\t4711
NSpid:\t4711
Threads:\t1
`;

Deno.test("parseStatus() reads IDs and credentials", () => {
  assertEquals(parseStatus(STATUS), {
    tgid: 4711,
    ppid: 4700,
    uids: [1000, 1001, 1002, 1003],
    gids: [100, 101, 102, 103],
  });
});

Deno.test("parseStatus() reads a kernel thread's, and IDs up to the largest", () => {
  const text = "Name:\tkthreadd\nTgid:\t2\nPid:\t2\nPPid:\t0\n" +
    "Uid:\t0\t0\t0\t4294967294\nGid:\t0\t0\t0\t0\n";
  assertEquals(parseStatus(text), {
    tgid: 2,
    ppid: 0,
    uids: [0, 0, 0, 4294967294],
    gids: [0, 0, 0, 0],
  });
});

Deno.test("parseStatus() isn't led astray by a command's name", async () => {
  for (const name of ["\nUid:\t0\t0\t0\t0", "Uid:\t0\t0\t0\t0", "\nPPid:\t1\n", "\\nTgid:\t1"]) {
    await withProcess(name, (pid) => {
      const { tgid, ppid, uids } = parseStatus(Deno.readTextFileSync(`/proc/${pid}/status`));
      assertEquals([tgid, ppid, uids[0]], [pid, Deno.pid, Deno.uid()]);
    });
  }
});

Deno.test("parseStatus() reads this process's own", () => {
  const { tgid, ppid, uids } = parseStatus(Deno.readTextFileSync("/proc/self/status"));
  assertEquals([tgid, ppid, uids[0]], [Deno.pid, Deno.ppid, Deno.uid()]);
});

Deno.test("parseStatus() refuses what doesn't have all the numbers", () => {
  const broken: [string, string][] = [
    ["Tgid:\t4711\n", "Tgid is not 1 numbers"],
    ["Uid:\t1000\t1001\t1002\t1003\n", "Uid is not 4 numbers"],
    ["Gid:\t100\t101\t102\t103\n", "Gid is not 4 numbers"],
  ];
  for (const [line, message] of broken) {
    assertStringIncludes(STATUS, line);
    for (const other of ["", line.replace(/\d+\n/, "x\n"), line.replace(/\d+\n/, "1\t2\t3\n")]) {
      assertThrows(() => parseStatus(STATUS.replace(line, other)), SyntaxError, message);
    }
  }
  assertThrows(() => parseStatus(""), SyntaxError, "/proc/PID/status: ");
});

/** What follows the command's name in /proc/PID/stat. */
const STAT_REST = "S 4700 4711 4711 34816 4712 4194304 106 0 0 0 0 0 0 0 20 0 1 0 10312 8433664";
const STAT = { state: "S", ppid: 4700, threads: 1 };

Deno.test("parseStat() reads the state, the parent and the number of threads", () => {
  assertEquals(parseStat(`4711 (cat) ${STAT_REST}\n`), STAT);
  for (const state of "RSDZTtXxKWPI") {
    const text = `2 (kthreadd) ${state} 0 0 0 0 -1 2129984 0 0 0 0 0 7 0 0 20 0 1 0 4 0 0\n`;
    assertEquals(parseStat(text), { state, ppid: 0, threads: 1 });
  }
  // Every Deno has some.
  assertGreater(parseStat(Deno.readTextFileSync("/proc/self/stat")).threads, 1);
});

Deno.test("parseStat() isn't led astray by a command's name", async () => {
  for (
    const name of [" ", ")", "(", "a b", ") R 1 1", "(sd-pam)", ") Z 1 (", "a\nb", "1 (x) R 1 "]
  ) {
    assertEquals(parseStat(`4711 (${name}) ${STAT_REST}\n`), STAT);
    await withProcess(name, (pid) => {
      const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
      assertStringIncludes(text, `${pid} (${name}) `);
      assertEquals(parseStat(text).ppid, Deno.pid);
    });
  }
});

Deno.test("parseStat() refuses what isn't that", () => {
  for (const text of ["", "4711 (cat)", "4711 (cat) S", "4711 (cat) S x 1", "4711 (cat S 1 1"]) {
    assertThrows(() => parseStat(text), SyntaxError, "/proc/PID/stat: ");
  }
});

/** Runs something while there is a child of this process with this name. */
async function withProcess(name: string, use: (pid: number) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    // A process is named after the file that it executes.
    const file = `${folder}/${name}`;
    await Deno.writeTextFile(file, "#!/bin/sh\nread _\n", { mode: 0o755 });
    const child = new Deno.Command(file, { stdin: "piped" }).spawn();
    try {
      const comm = `/proc/${child.pid}/comm`;
      await eventually("it executes it", () => Deno.readTextFileSync(comm) === `${name}\n`);
      use(child.pid);
    } finally {
      await child.stdin.close();
      await child.status;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

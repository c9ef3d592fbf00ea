/**
 * The parsers of /proc on texts made at random from known facts, and on garbage.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  parseCgroupMounts,
  parseCgroupPath,
  parseFdinfoPid,
  parseNsPids,
  parseStat,
  parseStatus,
} from "../../pidfd/proc_text.ts";
import {
  amid,
  concat,
  decode,
  endless,
  escaped,
  garbage,
  hostileBytes,
  hostileBytesBut,
  ids,
  otherLines,
  pids,
} from "../support/kernel_texts.ts";
import { fc, RUNS, testProperty, unlessRefused } from "../support/property.ts";

/** PIDs as fdinfo has them: 0 where the process isn't visible, −1 where it was reaped. */
const fdinfoPids = fc.oneof(pids, fc.constantFrom(0, -1));

testProperty(
  "parseFdinfoPid() reads any PID amid any other lines",
  fdinfoPids.chain((pid) =>
    fc.record({
      pid: fc.constant(pid),
      text: amid(["pos:\t0", "flags:\t02000002", `Pid:\t${pid}`], otherLines("Pid")),
    })
  ),
  ({ pid, text }) => assertEquals(parseFdinfoPid(text), pid),
);

testProperty(
  "parseFdinfoPid() is null without a PID, whatever other lines there are",
  amid(["pos:\t0"], otherLines("Pid")),
  (text) => assertEquals(parseFdinfoPid(text), null),
);

/** What /proc/PID/status says of a process. */
const facts = fc.record({
  tgid: pids,
  ppid: fc.oneof(pids, fc.constant(0)),
  uids: fc.array(ids, { minLength: 4, maxLength: 4 }),
  gids: fc.array(ids, { minLength: 4, maxLength: 4 }),
}, { noNullPrototype: true });

testProperty(
  "parseStatus() reads any facts amid any other lines, whatever the command is called",
  fc.tuple(facts, hostileBytes(15)).chain(([facts, command]) =>
    fc.record({
      facts: fc.constant(facts),
      text: amid([
        concat("Name:\t", escaped(command, "\n\\")),
        `Tgid:\t${facts.tgid}`,
        `PPid:\t${facts.ppid}`,
        `Uid:\t${facts.uids.join("\t")}`,
        `Gid:\t${facts.gids.join("\t")}`,
      ], otherLines("Tgid", "PPid", "Uid", "Gid")),
    })
  ),
  ({ facts, text }) => assertEquals(parseStatus(text), facts),
);

const statNumbers = fc.bigInt({ min: -1n, max: 2n ** 64n - 1n });

testProperty(
  "parseStat() reads any facts, whatever bytes the command's name consists of",
  fc.record({
    pid: pids,
    // A thread of the kernel's can have a name that is longer than 15 bytes.
    command: hostileBytes(63),
    state: fc.constantFrom(..."RSDZTtXxKWPI"),
    ppid: fc.oneof(pids, fc.constant(0)),
    between: fc.array(statNumbers, { minLength: 15, maxLength: 15 }),
    threads: fc.oneof(pids, fc.constant(0)),
    rest: fc.array(statNumbers, { minLength: 1, maxLength: 40 }),
  }),
  ({ pid, command, state, ppid, between, threads, rest }) => {
    const numbers = [ppid, ...between, threads, ...rest].join(" ");
    const text = concat(`${pid} (`, command, `) ${state} ${numbers}\n`);
    assertEquals(parseStat(decode(text)), { state, ppid, threads });
  },
);

/** Lines of cgroup version 1, whose paths can be anything that a folder can be called. */
const version1 = fc.array(
  fc.tuple(
    fc.integer({ min: 1, max: 99 }),
    fc.constantFrom("pids", "cpu,cpuacct", "name=systemd", "name=0"),
    hostileBytesBut("\n", 30),
  ).map(([hierarchy, controllers, path]) => concat(`${hierarchy}:${controllers}:/`, path)),
  { maxLength: 4 },
);

testProperty(
  "parseCgroupPath() reads any path beside any lines of version 1",
  hostileBytesBut("\n", 40).map((bytes) => concat("/", bytes))
    // What a removed cgroup's path ends with, which can't be told from a name.
    .filter((path) => !decode(path).endsWith(" (deleted)"))
    .chain((path) =>
      fc.record({ path: fc.constant(path), text: amid([concat("0::", path)], version1) })
    ),
  ({ path, text }) => assertEquals(parseCgroupPath(text), decode(path)),
);

testProperty(
  "parseCgroupPath() is null for a removed cgroup, and for version 1 alone, with any paths",
  fc.oneof(
    amid([], version1),
    hostileBytesBut("\n", 40)
      .chain((path) => amid([concat("0::/", path, " (deleted)")], version1)),
  ),
  (text) => assertEquals(parseCgroupPath(text), null),
);

/** A path as it can stand in mountinfo: any bytes behind the slash. */
const paths = hostileBytesBut("\0", 30).map((bytes) => concat("/", bytes));

/** A line of mountinfo, and what is to be read from it. */
const mounts = fc.record({
  root: paths,
  point: paths,
  optional: fc.subarray(["shared:1", "master:2", "propagate_from:3", "unbindable"]),
  type: fc.constantFrom("cgroup2", "cgroup", "tmpfs", "fuse.cgroup2", "cgroup2fs"),
  source: hostileBytesBut("\0", 12),
}).map(({ root, point, optional, type, source }) => ({
  line: concat(
    "30 23 0:26 ",
    escaped(root, " \t\n\\"),
    " ",
    escaped(point, " \t\n\\"),
    ` ${["rw,nosuid", ...optional].join(" ")} - ${type} `,
    escaped(source, " \t\n\\#"),
    " rw,nsdelegate\n",
  ),
  mount: type === "cgroup2" ? [{ root: decode(root), point: decode(point) }] : [],
}));

testProperty(
  "parseCgroupMounts() reads all mounts of cgroup2 and no others, with any paths",
  fc.array(mounts, { maxLength: 6 }),
  (mounts) => {
    const text = decode(concat(...mounts.map(({ line }) => line)));
    assertEquals(parseCgroupMounts(text), mounts.flatMap(({ mount }) => mount));
  },
);

for (
  const [kind, texts, numRuns] of [["any", garbage, 10 * RUNS], ["endless", endless, 30]] as const
) {
  testProperty(`parseFdinfoPid() returns null or an integer for ${kind} garbage`, texts, (text) => {
    const pid = parseFdinfoPid(text);
    assert(pid === null || Number.isSafeInteger(pid), String(pid));
  }, { numRuns });

  testProperty(`parseNsPids() returns null or integers for ${kind} garbage`, texts, (text) => {
    for (const pid of parseNsPids(text) ?? []) assert(Number.isSafeInteger(pid), String(pid));
  }, { numRuns });

  testProperty(`parseStatus() returns numbers or throws for ${kind} garbage`, texts, (text) => {
    const status = unlessRefused(() => parseStatus(text));
    if (status === undefined) return;
    const { tgid, ppid, uids, gids } = status;
    assertEquals([uids.length, gids.length], [4, 4]);
    for (const number of [tgid, ppid, ...uids, ...gids]) assertCount(number);
  }, { numRuns });

  testProperty(`parseStat() returns its facts or throws for ${kind} garbage`, texts, (text) => {
    const stat = unlessRefused(() => parseStat(text));
    if (stat === undefined) return;
    assert(/^[A-Za-z]$/.test(stat.state), stat.state);
    assertCount(stat.ppid);
  }, { numRuns });

  testProperty(`parseCgroupPath() returns null or a line for ${kind} garbage`, texts, (text) => {
    const path = parseCgroupPath(text);
    assert(path === null || text.split("\n").includes(`0::${path}`), String(path));
  }, { numRuns });

  testProperty(`parseCgroupMounts() returns paths for ${kind} garbage`, texts, (text) => {
    for (const { root, point } of parseCgroupMounts(text)) {
      assertEquals([typeof root, typeof point], ["string", "string"]);
    }
  }, { numRuns });
}

function assertCount(number: number): void {
  assert(Number.isSafeInteger(number) && number >= 0, String(number));
}

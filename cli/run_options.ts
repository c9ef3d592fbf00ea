/**
 * The options of `pidfd run`, and what they mean for the start of a process.
 *
 * @module
 */

import { findAccount, findGroup } from "../ffi/accounts.ts";
import { SyscallError } from "../ffi/errors.ts";
import { RLIMITS } from "../ffi/steps.ts";
import { nearest } from "../pidfd/nearest.ts";
import type { CgroupLimits } from "../process/cgroup_limits.ts";
import type { LimitPair, Limits } from "../process/limits.ts";
import type { SpawnOptions } from "../process/options.ts";
import { type Option, UsageError } from "./command.ts";
import { readDuration, withUnit } from "./durations.ts";
import type { Given } from "./parse.ts";
import { readSignal } from "./signal_names.ts";

const LIMIT_NAMES = Object.keys(RLIMITS);
/** Suffixes of numbers, in any case. */
const UNITS: Readonly<Record<string, number>> = {
  ...{ "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 },
};

export const OPTIONS: readonly Option[] = [
  {
    name: "timeout",
    short: "t",
    value: "D",
    help: "How long it may take: 0.5, 500ms, 30s, 1m30s, 2h, 1d; 0 is for ever",
  },
  {
    name: "signal",
    short: "s",
    value: "SIGNAL",
    kind: "signal",
    help: "What asks it to end when the time is up (default: TERM; HUP with --pty)",
  },
  {
    name: "grace",
    short: "k",
    value: "D",
    help: "How long it has to end when asked to, before it is killed (default: 5s)",
  },
  { name: "preserve-status", help: "Exit with its status even if the time was up" },
  { name: "keep", help: "Don't end daemons that the command has started" },
  {
    name: "die-with-parent",
    help: "End it when this program's parent ends; it is killed if this program is",
  },
  {
    name: "user",
    value: "USER",
    kind: "user",
    help: "Run it as this user, by name or ID. By its ID alone, it keeps this group",
  },
  { name: "group", value: "GROUP", kind: "group", help: "Run it with this group, by name or ID" },
  {
    name: "limit",
    value: "NAME=SOFT[:HARD]",
    kind: LIMIT_NAMES.map((name) => `${name}=`),
    help: "Limit a resource, by prlimit(1)'s names: nofile=1024, as=2G, core=0:unlimited",
  },
  { name: "nice", value: "N", help: "Its niceness: -20, the most favourable, to 19" },
  { name: "umask", value: "MODE", help: "What its new files' permissions lack: 077" },
  {
    name: "no-new-privileges",
    help: "Neither it nor what it starts gains privileges (set-user-ID)",
  },
  {
    name: "cgroup",
    value: "PATH",
    kind: "folder",
    help: "The folder of a cgroup to run it in. Ending the command ends all processes there " +
      "(Linux 5.14)",
  },
  {
    name: "memory",
    value: "SIZE",
    help: "Give it a cgroup of its own, in which all that it starts has so much memory: 512M, 2G",
  },
  { name: "cpus", value: "N", help: "… has so many processors' time: 0.5, 2" },
  { name: "processes", value: "N", help: "… can be so many processes and threads" },
  { name: "pty", help: "Give it a terminal of its own, shown on this one" },
  {
    name: "report",
    value: "json",
    isOptional: true,
    kind: ["json"],
    help: "Tell at the end how it ended, and what it took",
  },
  { name: "verbose", short: "v", help: "Say each thing that is done to it" },
];

/** How a command is run, and ended. */
export interface RunPlan {
  /** In milliseconds. */
  readonly timeout: number;
  readonly timeoutText: string;
  readonly signal: Deno.Signal | number;
  readonly grace: number;
  readonly graceText: string;
  readonly preserveStatus: boolean;
  readonly keep: boolean;
  readonly dieWithParent: boolean;
  /** The path of the cgroup that it is in, or below which it has its own. */
  readonly cgroup?: string;
  /** Limits of a cgroup of its own. */
  readonly cgroupLimits?: CgroupLimits;
  readonly pty: boolean;
  readonly report?: "text" | "json";
  readonly verbose: boolean;
  /** What the command is, and may do. */
  readonly rights: SpawnOptions;
}

/** Reads the options. */
export function readPlan(given: Given): RunPlan {
  const timeoutText = given.text("timeout") ?? "0";
  const graceText = given.text("grace") ?? "5s";
  const timeout = readDuration("--timeout", timeoutText);
  // An interactive shell ignores SIGTERM, and its terminal would send SIGHUP.
  const signal = readSignal(given.text("signal") ?? (given.has("pty") ? "HUP" : "TERM"));
  if (signal === 0) throw new UsageError("--signal must ask for an end: 0");
  return {
    timeout: timeout === 0 ? Infinity : timeout,
    timeoutText: withUnit(timeoutText),
    signal,
    grace: readDuration("--grace", graceText),
    graceText: withUnit(graceText),
    preserveStatus: given.has("preserve-status"),
    keep: given.has("keep"),
    dieWithParent: given.has("die-with-parent"),
    cgroup: given.text("cgroup"),
    cgroupLimits: readCgroupLimits(given),
    pty: given.has("pty"),
    report: readReport(given.text("report")),
    verbose: given.has("verbose"),
    rights: {
      ...readIdentity(given.text("user"), given.text("group")),
      limits: readLimits(given.all("limit")),
      nice: readInteger("--nice", given.text("nice"), -20, 19),
      umask: readUmask(given.text("umask")),
      noNewPrivileges: given.has("no-new-privileges") ? true : undefined,
      parentDeathSignal: given.has("die-with-parent") ? "SIGKILL" : undefined,
    },
  };
}

function readReport(text: string | undefined): RunPlan["report"] {
  if (text === undefined || text === "json") return text;
  if (text === "") return "text";
  throw new UsageError(`--report is --report or --report=json: ${text}`);
}

/** Who the command is. A number is an ID. */
function readIdentity(
  user: string | undefined,
  group: string | undefined,
): Pick<SpawnOptions, "uid" | "gid" | "groups"> {
  const gid = group === undefined ? undefined : readGroup(group);
  if (user === undefined) return { gid };
  const uid = readId(user);
  if (uid !== undefined) return { uid, gid };
  const account = found("user", () => findAccount(user), user);
  return { ...account, gid: gid ?? account.gid };
}

/** What a look-up finds. */
function found<T>(option: string, look: () => T, name: string): T {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
    throw new UsageError(`--${option}: there is no ${option} ${JSON.stringify(name)}`);
  }
}

function readGroup(group: string): number {
  return readId(group) ?? found("group", () => findGroup(group), group);
}

function readId(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 2 ** 32 - 1) return id;
  throw new UsageError(`no ID is as high as ${text}`);
}

/** Limits that take a cgroup; undefined if there is none. */
function readCgroupLimits(given: Given): CgroupLimits | undefined {
  const names = ["memory", "cpus", "processes"].filter((name) => given.has(name));
  if (names.length === 0) return undefined;
  if (given.has("keep")) throw new UsageError(`--${names[0]} ends all there is, --keep doesn't`);
  const memory = given.text("memory");
  const processes = given.text("processes");
  return {
    memory: memory === undefined ? undefined : readLimit("--memory", memory),
    cpus: readCpus(given.text("cpus")),
    processes: readInteger("--processes", processes, 1, 2 ** 22),
  };
}

function readCpus(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const cpus = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (cpus >= 0.01) return cpus;
  throw new UsageError(`--cpus must be a number of 0.01 or more: ${text}`);
}

function readLimits(texts: readonly string[]): Limits | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(texts.map((text) => {
    const match = /^([a-z]+)=([^:]+)(?::([^:]+))?$/.exec(text);
    if (!match) throw new UsageError(`--limit must be NAME=SOFT or NAME=SOFT:HARD: ${text}`);
    const [, name, soft, hard = soft] = match;
    if (!LIMIT_NAMES.includes(name)) {
      const near = nearest(name, LIMIT_NAMES);
      const advice = near === undefined ? LIMIT_NAMES.join(", ") : `did you mean ${near}?`;
      throw new UsageError(`--limit: there is no limit ${name}: ${advice}`);
    }
    const pair: LimitPair = {
      soft: readLimit("--limit", soft, text),
      hard: readLimit("--limit", hard, text),
    };
    if (pair.soft > pair.hard) {
      throw new UsageError(`--limit: the soft one is above the hard one: ${text}`);
    }
    return [name, pair];
  }));
}

function readLimit(option: string, value: string, text = value): number {
  if (value === "unlimited" || value === "infinity") return Infinity;
  const match = /^(\d+)([kmgt]?)$/i.exec(value);
  const number = match ? Number(match[1]) * UNITS[match[2].toLowerCase()] : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new UsageError(`${option} takes a number, such as 1024 or 2G, or "unlimited": ${text}`);
}

function readInteger(
  option: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`${option} must be a number in ${least}…${most}: ${text}`);
}

function readUmask(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-7]{1,4}$/.test(text) && parseInt(text, 8) <= 0o777) return parseInt(text, 8);
  throw new UsageError(`--umask must be octal, such as 077: ${text}`);
}

/**
 * Parsers for the texts under /proc that replace an ioctl on older kernels (proc_pid_fdinfo(5),
 * proc_pid_status(5), proc_pid_cgroup(5), proc_pid_mountinfo(5)). Other files read the texts, and
 * make sure that they are about the right process.
 *
 * @module
 */

/**
 * The PID in the fdinfo of a pidfd, or null if the fd is not a pidfd. −1: the process was reaped;
 * 0: it is not visible in the PID namespace of this /proc.
 */
export function parseFdinfoPid(text: string): number | null {
  const value = field(text, "Pid");
  return value !== null && /^-?\d{1,10}$/.test(value) ? Number(value) : null;
}

/**
 * The PIDs of a process, from the PID namespace of /proc down to its own. They are in the fdinfo of
 * its pidfd (Linux 5.5) and in /proc/PID/status (Linux 4.1). Null if there is no such line.
 */
export function parseNsPids(text: string): number[] | null {
  const words = field(text, "NSpid")?.split(/\s+/);
  return words?.every((word) => /^-?\d{1,10}$/.test(word)) ? words.map(Number) : null;
}

/** The fields of /proc/PID/status that are used. */
export interface StatusFields {
  tgid: number;
  ppid: number;
  /** Real, effective, saved and file-system user ID. */
  uids: number[];
  /** Real, effective, saved and file-system group ID. */
  gids: number[];
}

/** Parses /proc/PID/status. The command's name is escaped there: it can't add lines. */
export function parseStatus(text: string): StatusFields {
  const numbers = (key: string, count: number): number[] => {
    const words = (field(text, key) ?? "").split(/\s+/);
    if (words.length !== count || !words.every((word) => /^\d{1,10}$/.test(word))) {
      throw new SyntaxError(`/proc/PID/status: ${key} is not ${count} numbers`);
    }
    return words.map(Number);
  };
  const [tgid] = numbers("Tgid", 1);
  const [ppid] = numbers("PPid", 1);
  return { tgid, ppid, uids: numbers("Uid", 4), gids: numbers("Gid", 4) };
}

/** The fields of /proc/PID/stat that are used, for a process or a thread. */
export interface StatFields {
  /** One letter: R running, S sleeping, D in an uninterruptible call, T stopped, Z zombie, … */
  state: string;
  ppid: number;
  /** How many threads its process has; 1 for a zombie. */
  threads: number;
}

/** Parses /proc/PID/stat. The command's name may contain any bytes; it ends at the last ")". */
export function parseStat(text: string): StatFields {
  const fields = text.slice(text.lastIndexOf(")") + 1);
  const match = /^ ([A-Za-z]) (\d{1,10})(?: -?\d+){15} (\d{1,10}) /.exec(fields);
  if (match === null) {
    throw new SyntaxError(`/proc/PID/stat: ${JSON.stringify(text)}`);
  }
  return { state: match[1], ppid: Number(match[2]), threads: Number(match[3]) };
}

/** The path in the unified hierarchy from /proc/PID/cgroup; null if there is none (any more). */
export function parseCgroupPath(text: string): string | null {
  const line = text.split("\n").find((line) => line.startsWith("0::"));
  // " (deleted)": the cgroup was removed while a zombie was in it. Another can have its path now.
  return line === undefined || line.endsWith(" (deleted)") ? null : line.slice("0::".length);
}

/** A mount of the unified cgroup hierarchy. */
export interface CgroupMount {
  /** The mounted folder of the hierarchy. */
  root: string;
  /** Where it is mounted. */
  point: string;
}

/** The mounts of cgroup2 in /proc/PID/mountinfo, in its order. */
export function parseCgroupMounts(text: string): CgroupMount[] {
  return text.split("\n").flatMap((line) => {
    const words = line.split(" ");
    // After the sixth word come optional fields, then a single hyphen.
    const hyphen = words.indexOf("-", 6);
    if (hyphen < 0 || words[hyphen + 1] !== "cgroup2") return [];
    return [{ root: unescape(words[3]), point: unescape(words[4]) }];
  });
}

/** mountinfo writes white space and backslashes as three octal digits. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** The value of a `Key:\tvalue` line. */
function field(text: string, key: string): string | null {
  const line = text.split("\n").find((line) => line.startsWith(`${key}:`));
  return line === undefined ? null : line.slice(key.length + 1).trim();
}

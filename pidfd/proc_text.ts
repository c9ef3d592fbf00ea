/**
 * The texts under /proc that stand in for an ioctl on older kernels (proc_pid_fdinfo(5),
 * proc_pid_status(5), proc_pid_cgroup(5), proc_pid_mountinfo(5)). These are parsers and
 * nothing else: what they read is found and guarded elsewhere.
 *
 * @module
 */

/**
 * The PID in the fdinfo of a pidfd, or null if the text is not that of a pidfd. −1: it was
 * reaped; 0: it is not visible in the PID namespace of the /proc that was read.
 */
export function parseFdinfoPid(text: string): number | null {
  const value = field(text, "Pid");
  return value !== null && /^-?\d{1,10}$/.test(value) ? Number(value) : null;
}

/**
 * The PIDs of a process, in the fdinfo of its pidfd (Linux 5.5) or in /proc/PID/status (4.1): from
 * the PID namespace of the /proc that was read down to its own. Null where there is no such line.
 */
export function parseNsPids(text: string): number[] | null {
  const words = field(text, "NSpid")?.split(/\s+/);
  return words?.every((word) => /^-?\d{1,10}$/.test(word)) ? words.map(Number) : null;
}

/** What /proc/PID/status tells of a process. */
export interface StatusFields {
  tgid: number;
  ppid: number;
  /** Real, effective, saved and file-system user ID. */
  uids: number[];
  /** Real, effective, saved and file-system group ID. */
  gids: number[];
}

/** Parses /proc/PID/status. The command's name in it is escaped, so a line is a line. */
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

/** What /proc/PID/stat tells of a process or a thread. */
export interface StatFields {
  /** One letter: R running, S sleeping, D in a call that can't be interrupted, T stopped, … */
  state: string;
  ppid: number;
  /** How many threads its process has; a zombie counts as one. */
  threads: number;
}

/** Parses /proc/PID/stat. The command's name can have any bytes in it, but ends at the last ")". */
export function parseStat(text: string): StatFields {
  const fields = text.slice(text.lastIndexOf(")") + 1);
  const match = /^ ([A-Za-z]) (\d{1,10})(?: -?\d+){15} (\d{1,10}) /.exec(fields);
  if (match === null) {
    throw new SyntaxError(`/proc/PID/stat: ${JSON.stringify(text)}`);
  }
  return { state: match[1], ppid: Number(match[2]), threads: Number(match[3]) };
}

/** The path in the unified hierarchy from /proc/PID/cgroup, or null where there is none any more. */
export function parseCgroupPath(text: string): string | null {
  const line = text.split("\n").find((line) => line.startsWith("0::"));
  // So the kernel marks a cgroup that was removed under a zombie: its path can be another's now.
  return line === undefined || line.endsWith(" (deleted)") ? null : line.slice("0::".length);
}

/** A mount of the unified cgroup hierarchy. */
export interface CgroupMount {
  /** The folder of the hierarchy that is mounted. */
  root: string;
  /** Where it is mounted. */
  point: string;
}

/** The mounts of cgroup2 in /proc/PID/mountinfo, in its order. */
export function parseCgroupMounts(text: string): CgroupMount[] {
  return text.split("\n").flatMap((line) => {
    const words = line.split(" ");
    // Optional fields stand between the sixth word and a lone hyphen.
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

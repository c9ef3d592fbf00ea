/**
 * Pseudoterminals (pty(7)). A child uses the far end as its terminal. This program has the near
 * end, and acts as the person in front of the screen.
 *
 * - The near end is an open file of `/dev/ptmx`. Closing it hangs up the terminal.
 * - Linux 4.13: TIOCGPTPEER opens the far end without a path. This is safer: in another mount
 *   namespace, the path under `/dev/pts` could lead to a different terminal. The path is used only
 *   if a sandbox refuses the ioctl.
 * - Once the far end is closed everywhere, reading the near end gives the rest of the data, and
 *   then EIO.
 *
 * fds are plain numbers here. A caller that receives one owns it and must close it.
 *
 * @module
 */

import { intValue } from "../structs/socket.ts";
import { kernelTermios, winsize } from "../structs/terminal.ts";
import { attempt, check } from "./call.ts";
import { Errno } from "./errno.ts";
import { AT_FDCWD, closeOnError, O_CLOEXEC, O_NOCTTY, O_RDWR, openat, tryOpenat } from "./files.ts";
import { libc, libcWith } from "./libc.ts";

/** libc with the function for terminals alone, opened at first use. */
export const terminalLibc = libcWith({
  // int ioctl(int fd, unsigned long op, ...);
  ioctl_int: {
    name: "ioctl",
    parameters: [
      "i32", // int fd
      "u32", // unsigned long op: the kernel takes an unsigned int
      "i32", // int arg
    ],
    result: "i32",
  },
});

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x8004_5430;
const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTPEER = 0x5441;

/** Input is UTF-8: the erase key removes a whole character. */
const IUTF8 = 0o40000;
/** Output is processed. termios(3) */
const OPOST = 0o1;

const PTMX = "/dev/ptmx";
/** Neither end becomes this program's own controlling terminal. */
const FLAGS = O_RDWR | O_NOCTTY;

const MISSING = `terminals need ${PTMX}, and a devpts that is mounted at /dev/pts`;
const FORBIDDEN = `terminals need ${PTMX}, which a sandbox forbids`;

/** The errors of a kernel that lacks an ioctl, and of a sandbox that refuses it. */
const REFUSALS: ReadonlySet<number> = new Set([
  ...[Errno.EINVAL, Errno.ENOSYS, Errno.ENOTTY, Errno.EPERM],
]);

// Synchronous calls can't overlap, so one buffer of each kind serves them all.
const int = intValue.allocate();
const size = winsize.allocate();
const settings = kernelTermios.allocate();

/** The size of a terminal, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The two ends of a new terminal, both close-on-exec. */
export interface TerminalEnds {
  readonly near: number;
  readonly far: number;
}

/** Makes a terminal of this size. */
export function openTerminal(size: TerminalSize): TerminalEnds {
  return closeOnError(openNearEnd(), (near) => {
    unlock(near);
    const far = openFarEnd(near);
    return closeOnError(far, () => {
      setSize(near, size);
      setUtf8(far);
      return { near, far };
    });
  });
}

/** posix_openpt(3) */
function openNearEnd(): number {
  return check("openat", tryOpenat(AT_FDCWD, PTMX, FLAGS, 0), {
    [Errno.ENOENT]: MISSING,
    [Errno.ENODEV]: MISSING,
    [Errno.ENXIO]: MISSING,
    [Errno.EACCES]: FORBIDDEN,
    [Errno.EPERM]: FORBIDDEN,
    [Errno.ENOSPC]: "the system has as many terminals as /proc/sys/kernel/pty/max allows",
  });
}

/** Unlocks the far end, so that it can be opened. unlockpt(3) */
function unlock(near: number): void {
  int.fields.value = 0;
  check("ioctl(TIOCSPTLCK)", attempt(() => libc().ioctl(near, TIOCSPTLCK, int.bytes)), {
    // The path is another file, as in some containers.
    [Errno.ENOTTY]: MISSING,
  });
}

function openFarEnd(near: number): number {
  const flags = FLAGS | O_CLOEXEC;
  const result = attempt(() => terminalLibc().ioctl_int(near, TIOCGPTPEER, flags));
  if (!REFUSALS.has(-result)) return check("ioctl(TIOCGPTPEER)", result);
  check("ioctl(TIOCGPTN)", tryNumber(near));
  return openat(AT_FDCWD, `/dev/pts/${int.fields.value}`, FLAGS);
}

/** Reads the terminal's number from its near end into `int`; returns 0 or −errno. */
function tryNumber(fd: number): number {
  return attempt(() => libc().ioctl(fd, TIOCGPTN, int.bytes));
}

/** Whether an fd is the near end of a terminal. */
export function isNearEnd(fd: number): boolean {
  return tryNumber(fd) >= 0;
}

/** The size of a terminal. TIOCGWINSZ(2const) */
export function getSize(fd: number): TerminalSize {
  check("ioctl(TIOCGWINSZ)", attempt(() => libc().ioctl(fd, TIOCGWINSZ, size.bytes)));
  return { columns: size.fields.ws_col, rows: size.fields.ws_row };
}

/**
 * Sets the size of a terminal. If it changes, the foreground process group gets SIGWINCH.
 * TIOCSWINSZ(2const)
 */
export function setSize(fd: number, { columns, rows }: TerminalSize): void {
  const bytes = winsize.encode({ ws_col: columns, ws_row: rows });
  check("ioctl(TIOCSWINSZ)", attempt(() => libc().ioctl(fd, TIOCSWINSZ, bytes)));
}

/** Tells a terminal that its text is UTF-8. */
function setUtf8(fd: number): void {
  change(fd, (fields) => fields.c_iflag |= IUTF8);
}

/** Has a terminal take what is written to it as it is. Otherwise it begins a new line at each "\n". */
export function setRawOutput(fd: number): void {
  change(fd, (fields) => fields.c_oflag &= ~OPOST);
}

/** Changes some of a terminal's settings. TCSETS(2const) */
function change(fd: number, act: (fields: typeof settings.fields) => void): void {
  check("ioctl(TCGETS)", attempt(() => libc().ioctl(fd, TCGETS, settings.bytes)));
  act(settings.fields);
  check("ioctl(TCSETS)", attempt(() => libc().ioctl(fd, TCSETS, settings.bytes)));
}

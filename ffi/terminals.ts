/**
 * Pseudoterminals (pty(7)): a program takes the far end for a terminal, and this program sits at
 * the near end, as a person does in front of the screen.
 *
 * - The near end is an open file of `/dev/ptmx`. Its closing hangs the terminal up.
 * - Linux 4.13: TIOCGPTPEER opens the far end without a path. A `/dev/pts` of another mount
 *   namespace can't lead to somebody else's terminal then. Where a sandbox refuses the ioctl, the
 *   path is all there is.
 * - While nobody has the far end open, a read of the near end is EIO. What was written before is
 *   read first.
 *
 * fds go in and out as numbers; whoever receives one owns it and closes it.
 *
 * @module
 */

import { intValue } from "../structs/socket.ts";
import { kernelTermios, winsize } from "../structs/terminal.ts";
import { attempt, check } from "./call.ts";
import { Errno } from "./errno.ts";
import { AT_FDCWD, closeOnError, O_CLOEXEC, O_NOCTTY, O_RDWR, openat, tryOpenat } from "./files.ts";
import { libc, libcWith } from "./libc.ts";

/** libc with what only terminals need, opened at first use. */
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

/** The erase key takes away a whole character of UTF-8. */
const IUTF8 = 0o40000;
/** Output is processed. termios(3) */
const OPOST = 0o1;

const PTMX = "/dev/ptmx";
/** Neither end becomes the terminal that controls this program itself. */
const FLAGS = O_RDWR | O_NOCTTY;

const MISSING = `terminals need ${PTMX}, and a devpts that is mounted at /dev/pts`;
const FORBIDDEN = `terminals need ${PTMX}, which a sandbox forbids`;

/** What a system answers that doesn't know an ioctl, or a sandbox that doesn't let it through. */
const REFUSALS: ReadonlySet<number> = new Set([
  ...[Errno.EINVAL, Errno.ENOSYS, Errno.ENOTTY, Errno.EPERM],
]);

// Synchronous calls can't overlap, so that one buffer of each kind serves them all.
const int = intValue.allocate();
const size = winsize.allocate();
const settings = kernelTermios.allocate();

/** How large a terminal is, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The two ends of a new terminal, both close-on-exec. */
export interface TerminalEnds {
  readonly near: number;
  readonly far: number;
}

/** Makes a terminal of a size. */
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

/** Lets the far end be opened. unlockpt(3) */
function unlock(near: number): void {
  int.fields.value = 0;
  check("ioctl(TIOCSPTLCK)", attempt(() => libc().ioctl(near, TIOCSPTLCK, int.bytes)), {
    // Some other file is there, as a container can have it.
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

/** Asks for the number of a near end's terminal, which `int` has then; returns 0 or −errno. */
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

/** Sets it. If that changes it, the foreground process group gets SIGWINCH. TIOCSWINSZ(2const) */
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

/**
 * What ioctl_tty(2) reads and writes: the size and the settings of a terminal.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { array, u16, u32, u8 } from "./scalars.ts";

/** `struct winsize` (`<asm-generic/termios.h>`). The last two, in pixels, are used by no kernel. */
export const winsize = struct("struct winsize", {
  ws_row: u16,
  ws_col: u16,
  ws_xpixel: u16,
  ws_ypixel: u16,
});

/** `NCCS` (`<asm-generic/termbits.h>`): how many control characters the kernel's struct has. */
const CONTROL_CHARACTERS = 19;

/** `struct termios` (`<asm-generic/termbits.h>`) as the kernel itself has it: libc's is larger. */
export const kernelTermios = struct("struct termios", {
  c_iflag: u32,
  c_oflag: u32,
  c_cflag: u32,
  c_lflag: u32,
  c_line: u8,
  c_cc: array(u8, CONTROL_CHARACTERS),
});

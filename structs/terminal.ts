/**
 * The size and the settings of a terminal, for ioctl_tty(2).
 *
 * @module
 */

import { struct } from "./codec.ts";
import { array, u16, u32, u8 } from "./scalars.ts";

/** `struct winsize` (`<asm-generic/termios.h>`). The kernel ignores the last two, in pixels. */
export const winsize = struct("struct winsize", {
  ws_row: u16,
  ws_col: u16,
  ws_xpixel: u16,
  ws_ypixel: u16,
});

/** `NCCS` (`<asm-generic/termbits.h>`): the number of control characters in the kernel's struct. */
const CONTROL_CHARACTERS = 19;

/** The kernel's `struct termios` (`<asm-generic/termbits.h>`); libc's is larger. */
export const kernelTermios = struct("struct termios", {
  c_iflag: u32,
  c_oflag: u32,
  c_cflag: u32,
  c_lflag: u32,
  c_line: u8,
  c_cc: array(u8, CONTROL_CHARACTERS),
});

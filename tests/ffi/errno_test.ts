/**
 * The errors' names and numbers, against those of the system's C headers.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Errno, errnoName } from "../../ffi/errno.ts";
import { hasCompiler, numericMacros } from "../support/c_compiler.ts";
import { needing } from "../support/skip.ts";

Deno.test({
  ...needing("a C compiler", hasCompiler, "Errno has every error of C's, with the same number"),
  async fn() {
    const macros = await numericMacros("errno.h");
    const errors = [...macros].filter(([name]) => /^E[A-Z0-9]+$/.test(name));
    // Older headers lack the newest.
    const older = Object.entries(Errno).filter(([name]) => name !== "EFTYPE" || macros.has(name));
    assertEquals(Object.fromEntries(older), Object.fromEntries(errors));
  },
});

Deno.test("Errno has Linux's numbers", () => {
  const numbers = [
    [Errno.EPERM, 1],
    [Errno.ENOENT, 2],
    [Errno.ESRCH, 3],
    [Errno.EINTR, 4],
    [Errno.EBADF, 9],
    [Errno.ECHILD, 10],
    [Errno.EINVAL, 22],
    [Errno.ENOTTY, 25],
    [Errno.ENOSYS, 38],
    // The numbers before these two are no errors.
    [Errno.ENOMSG, 42],
    [Errno.EBFONT, 59],
    [Errno.EREMOTE, 66],
    [Errno.EUSERS, 87],
    [Errno.EOPNOTSUPP, 95],
    [Errno.ESTALE, 116],
    [Errno.EHWPOISON, 133],
    [Errno.EFTYPE, 134],
  ];
  assertEquals(numbers.map(([ours]) => ours), numbers.map(([, linux]) => linux));
  assertEquals(Object.keys(Errno).length, 132);
});

Deno.test("Errno can't be changed", () => {
  assertThrows(() => Object.assign(Errno, { EPERM: 2 }), TypeError);
});

Deno.test("errnoName() names every error by its number", () => {
  for (const [name, number] of Object.entries(Errno)) assertEquals(errnoName(number), name);
});

Deno.test("errnoName() makes a name for a number that is no error", () => {
  assertEquals([0, 41, 58, 135, 4095].map(errnoName), ["E0", "E41", "E58", "E135", "E4095"]);
});

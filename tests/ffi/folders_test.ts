/**
 * Making and removing folders.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { AT_FDCWD, discard, O_PATH, openat } from "../../ffi/files.ts";
import { mkdirat, removeFolder } from "../../ffi/folders.ts";
import { SyscallError } from "../../mod.ts";
import { Folder } from "../support/sockets.ts";

Deno.test("mkdirat() and removeFolder() work below an fd, and by a path", () => {
  using folder = new Folder();
  const fd = openat(AT_FDCWD, folder.at("."), O_PATH);
  try {
    mkdirat(fd, "one");
    mkdirat(AT_FDCWD, folder.at("one/two"));
    assertEquals(Deno.statSync(folder.at("one/two")).isDirectory, true);
    assertEquals(assertThrows(() => mkdirat(fd, "one"), SyscallError).code, "EEXIST");
    assertEquals(assertThrows(() => removeFolder(fd, "one"), SyscallError).code, "ENOTEMPTY");
    removeFolder(AT_FDCWD, folder.at("one/two"));
    removeFolder(fd, "one");
    const { code, message } = assertThrows(() => removeFolder(fd, "one"), SyscallError);
    assertEquals([code, message.includes("one")], ["ENOENT", true]);
  } finally {
    discard(fd);
  }
});

Deno.test("removeFolder() removes no file", () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.at("file"), "");
  const remove = () => removeFolder(AT_FDCWD, folder.at("file"));
  assertEquals(assertThrows(remove, SyscallError).code, "ENOTDIR");
  Deno.removeSync(folder.at("file"));
});

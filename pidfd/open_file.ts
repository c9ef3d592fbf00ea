/**
 * Opening files by path: translates `Deno.OpenOptions` to the flags of openat(2), and refuses the
 * combinations that Deno refuses.
 *
 * @module
 */

import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  openPath,
} from "../ffi/files.ts";
import { checkBoolean, checkInteger, checkOptions, pathText } from "./arguments.ts";

const SWITCHES = ["read", "write", "append", "truncate", "create", "createNew"] as const;
type Switches = Record<typeof SWITCHES[number], boolean>;

/** A new file's permissions by default, before umask(2). */
const DEFAULT_MODE = 0o666;
/** The bits of a mode that are used. Others are ignored, so that `Deno.FileInfo.mode` fits. */
const MODE_BITS = 0o777;
const U32_MAX = 2 ** 32 - 1;

/** Opens a file, close-on-exec. */
export function openFile(path: string | URL, options: Deno.OpenOptions = { read: true }): number {
  const name = pathText("path", path);
  checkOptions("options", options, [...SWITCHES, "mode"]);
  const switches = Object.fromEntries(SWITCHES.map((key) => {
    const on = options[key] ?? false;
    checkBoolean(`options.${key}`, on);
    return [key, on];
  })) as Switches;
  const { mode = DEFAULT_MODE } = options;
  checkInteger("options.mode", mode, 0, U32_MAX);
  return openPath(name, flagsOf(switches), mode & MODE_BITS);
}

function flagsOf({ read, write, append, truncate, create, createNew }: Switches): number {
  const writes = write || append;
  if (truncate && !write) throw new TypeError("options.truncate needs options.write");
  if ((create || createNew) && !writes) {
    const option = createNew ? "createNew" : "create";
    throw new TypeError(`options.${option} needs options.write or options.append`);
  }
  if (!read && !writes) throw new TypeError("options must have read, write or append");
  // A new file has nothing to truncate.
  const cuts = truncate && !createNew;
  if (cuts && append) throw new TypeError("options.truncate can't go with options.append");

  const access = writes ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access |
    (append ? O_APPEND : 0) |
    (cuts ? O_TRUNC : 0) |
    (createNew ? O_CREAT | O_EXCL : create ? O_CREAT : 0);
}

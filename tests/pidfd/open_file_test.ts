/**
 * Files opened by Deno's options: the same cases by `Deno.openSync` and by the library, side by
 * side.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { toFileUrl } from "@std/path";
import { OwnedFd, SyscallError } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { openOn } from "../support/fds.ts";
import { asOrdinaryUser } from "../support/ordinary_user.ts";
import { openFds, runForValue } from "../support/processes.ts";
import { Folder } from "../support/sockets.ts";

/** O_ACCMODE, O_APPEND, O_CLOEXEC: what of its flags an open file keeps, and what users notice. */
const KEPT = 0o2002003;

/** What became of a file that was to be opened. */
interface Outcome {
  /** The error's class in Deno's terms, where it was not opened. */
  refused: string | null;
  /** The open file's flags. */
  flags: number | null;
  /** What there is afterwards. */
  found: { size: number; mode: number } | null;
}

/** Opens a file in a folder of its own, and tells what became of it. */
function outcome(
  open: (path: string) => Disposable,
  prepare: (path: string) => void,
): Outcome {
  using folder = new Folder();
  const path = folder.at("file");
  prepare(path);
  let refused: string | null = null;
  let flags: number | null = null;
  try {
    using _ = open(path);
    flags = flagsOn(path);
  } catch (error) {
    refused = classOf(error);
  }
  return { refused, flags, found: fileAt(path) };
}

/** The flags of the fd that a file is open on. */
function flagsOn(path: string): number {
  const fd = openFds().find((fd) => openOn(Number(fd)) === path);
  const [, flags] = /^flags:\s+([0-7]+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))!;
  return parseInt(flags, 8) & KEPT;
}

/** Deno's class of an error, or TypeError for bad options: Deno has both Error and TypeError. */
function classOf(error: unknown): string {
  const names = Object.entries(Deno.errors)
    .filter(([, errorClass]) => error instanceof errorClass)
    .map(([name]) => name);
  assert(error instanceof Error && names.length <= 1);
  return names[0] ?? "TypeError";
}

function fileAt(path: string): Outcome["found"] {
  try {
    const { isFile, size, mode } = Deno.lstatSync(path);
    return isFile ? { size, mode: mode! & 0o7777 } : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** What there is before. */
const BEFORE: Readonly<Record<string, (path: string) => void>> = {
  "no file": () => {},
  "a file": (path) => Deno.writeTextFileSync(path, "before"),
  "a link to itself": (path) => Deno.symlinkSync(path, path),
  "a folder": (path) => Deno.mkdirSync(path),
};

const SWITCHES = ["read", "write", "append", "truncate", "create", "createNew"] as const;

/** All combinations of the options that are true or false; what is left out is like false. */
const COMBINATIONS: readonly Deno.OpenOptions[] = Array.from(
  { length: 2 ** SWITCHES.length },
  (_, bits) => {
    const on = SWITCHES.filter((_, i) => bits & (1 << i));
    return Object.fromEntries(on.map((name) => [name, true]));
  },
);

for (const [before, prepare] of Object.entries(BEFORE)) {
  Deno.test(`OwnedFd.open() does with ${before} what Deno.openSync() does, whatever the options`, () => {
    let opened = 0;
    for (const options of [undefined, ...COMBINATIONS]) {
      const denos = outcome((path) => Deno.openSync(path, options), prepare);
      const ours = outcome((path) => OwnedFd.open(path, options), prepare);
      assertEquals(ours, denos, JSON.stringify(options));
      if (ours.refused === null) opened++;
    }
    // With or without read: 14 combinations that make a file, and 8 that write to one; and two
    // ways to read alone.
    const expected = { "no file": 28, "a file": 18, "a link to itself": 0, "a folder": 2 };
    assertEquals(opened, expected[before as keyof typeof expected]);
  });
}

Deno.test("OwnedFd.open() gives a new file the permissions that Deno.openSync() gives it", () => {
  const old = Deno.umask(0o027);
  try {
    for (const mode of [undefined, 0, 0o600, 0o666, 0o777, 0o1777, 0o100640, 2 ** 32 - 1]) {
      const options = { write: true, create: true, mode };
      const denos = outcome((path) => Deno.openSync(path, options), () => {});
      const ours = outcome((path) => OwnedFd.open(path, options), () => {});
      assertEquals(ours, denos, String(mode));
      assertEquals(ours.found?.mode, (mode ?? 0o666) & 0o750, String(mode));
    }
  } finally {
    Deno.umask(old);
  }
});

Deno.test("OwnedFd.open() refuses bad options before any call, and says which", () => {
  using calls = watchCalls();
  // deno-lint-ignore no-explicit-any
  const cases: [any, new (...args: any[]) => Error, string][] = [
    [{}, TypeError, "options must have read, write or append"],
    [{ read: false }, TypeError, "options must have read, write or append"],
    [{ mode: 0o600 }, TypeError, "options must have read, write or append"],
    [{ read: true, truncate: true }, TypeError, "options.truncate needs options.write"],
    [{ create: true }, TypeError, "options.create needs options.write or options.append"],
    [
      { read: true, createNew: true },
      TypeError,
      "options.createNew needs options.write or options.append",
    ],
    [
      { write: true, append: true, truncate: true },
      TypeError,
      "options.truncate can't go with options.append",
    ],
    [{ read: true, wirte: true }, TypeError, "options has no option of that name: wirte"],
    [{ read: 1 }, TypeError, "options.read must be a boolean: 1"],
    [{ read: true, mode: "600" }, TypeError, 'options.mode must be a number: "600"'],
    [{ read: true, mode: -1 }, RangeError, "options.mode must be an integer in 0…4294967295: -1"],
    [null, TypeError, "options must be an object: null"],
  ];
  for (const [options, errorClass, message] of cases) {
    assertEquals(
      assertThrows(() => OwnedFd.open("/dev/null", options), errorClass).message,
      message,
    );
  }
  const paths: [unknown, string][] = [
    [7, "path must be a string: 7"],
    ["/dev/null\0x", 'path must not have a NUL byte in it: "/dev/null\\u0000x"'],
    [new URL("https://example.org/"), "path must be a file URL: https://example.org/"],
  ];
  for (const [path, message] of paths) {
    assertEquals(assertThrows(() => OwnedFd.open(path as string), TypeError).message, message);
  }
  assertEquals(calls.names, []);
});

Deno.test("OwnedFd.open() names the path in every error", () => {
  using folder = new Folder();
  const file = folder.at("file");
  Deno.writeTextFileSync(file, "");
  Deno.chmodSync(file, 0);
  const loop = folder.at("loop");
  Deno.symlinkSync("loop", loop);
  const cases: [path: string, options: Deno.OpenOptions, code: string, says: string][] = [
    ["/nowhere/at all", { read: true }, "ENOENT", "No such file or directory"],
    [`${file}/x`, { read: true }, "ENOTDIR", "Not a directory"],
    [loop, { read: true }, "ELOOP", "Too many levels of symbolic links"],
    ["/", { write: true }, "EISDIR", "Is a directory"],
    [file, { write: true, createNew: true }, "EEXIST", "File exists"],
    [`/${"x".repeat(256)}`, { read: true }, "ENAMETOOLONG", "File name too long"],
  ];
  for (const [path, options, code, says] of cases) {
    const error = assertThrows(() => OwnedFd.open(path, options), SyscallError);
    assertEquals([error.code, error.message], [code, `openat: ${code}: ${says} (${path})`]);
  }
  const { message } = assertThrows(() => OwnedFd.open(""), SyscallError);
  assertEquals(message, "openat: ENOENT: No such file or directory (the path is empty)");
  Deno.chmodSync(folder.at("."), 0o755);
  const error = asOrdinaryUser(() => assertThrows(() => OwnedFd.open(file), SyscallError));
  assertEquals(error.message, `openat: EACCES: Permission denied (${file})`);
  assert(error instanceof Deno.errors.PermissionDenied);
});

Deno.test("OwnedFd.open() takes file URLs, and relative paths from the working directory", () => {
  using folder = new Folder();
  const path = folder.at("100% ä?#");
  Deno.writeTextFileSync(path, "");
  using byUrl = OwnedFd.open(toFileUrl(path));
  assertEquals(openOn(byUrl.fd), path);
  const before = Deno.cwd();
  Deno.chdir(folder.at("."));
  try {
    using relative = OwnedFd.open("100% ä?#");
    assertEquals(openOn(relative.fd), path);
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("OwnedFd.open() and pipe() work with --allow-ffi alone", async () => {
  const program = `
    import { OwnedFd } from "@pidfd/util";

    using file = OwnedFd.open("/proc/self/comm");
    const text = await file.readable.text();
    const { reader, writer } = OwnedFd.pipe();
    const sink = writer.writable.getWriter();
    await sink.write(new TextEncoder().encode("through"));
    await sink.close();
    console.log(JSON.stringify([text, await reader.readable.text()]));
  `;
  assertEquals(await runForValue(program, ["--allow-ffi"]), ["deno\n", "through"]);
});

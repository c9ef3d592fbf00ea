/**
 * The only file that opens libc, reads errno, and reads memory that libc points to.
 *
 * It rests on these facts (measured with Deno 2.9.6):
 * - The bare name `libc.so.6` is opened through the loader's search path, which needs the full
 *   `--allow-ffi`. Under `--allow-ffi=PATH` only PATH itself can be opened.
 * - Under `--allow-ffi=PATH` Deno refuses to read through pointers (`Deno.UnsafePointerView`,
 *   `Deno.UnsafePointer.of`), but allows passing them to functions. So libc's own memcpy copies the
 *   memory behind a pointer.
 * - errno belongs to a thread. After a synchronous call it can be read until the garbage collector
 *   runs, whose calls change it. After a nonblocking call it can't be read: it belongs to another
 *   thread.
 *
 * @module
 */

import { fromCString } from "../structs/cstring.ts";
import { UnsupportedError } from "./errors.ts";
import { SYMBOLS } from "./symbols.ts";

/** libc's functions, by the names of the table above. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The architectures that both Deno and this library run on under Linux. */
export type Arch = "x86_64" | "aarch64";

/** The GNU C library's name. musl's loader accepts it, too: any name "libc.*" means musl there. */
const LIBC_NAME = "libc.so.6";

/**
 * The places of libc, the most common first. Images that add a GNU C library for Deno to a system
 * without one keep it in `/usr/local/lib`. musl is one file with two names: libc and loader.
 */
function placesOf(arch: Arch): string[] {
  const folders = [`/lib/${arch}-linux-gnu`, `/usr/lib/${arch}-linux-gnu`, "/lib64", "/usr/lib64"];
  return [
    ...[...folders, "/usr/local/lib"].map((folder) => `${folder}/${LIBC_NAME}`),
    ...[`/lib/ld-musl-${arch}.so.1`, `/lib/libc.musl-${arch}.so.1`],
  ];
}

/**
 * These functions are opened first: the ones that read errno and clean up, and the ones that nearly
 * every program calls.
 */
const FIRST = [
  "__errno_location",
  "memcpy",
  "close",
  "environ",
  "getpid",
  "syscall_pidfd_open",
  "syscall_pidfd_send_signal",
] as const;

/**
 * Groups of functions that are opened together, when the first of them is called. So the calls that
 * follow or undo another one can't fail because they can't be opened. Every other function is
 * opened alone.
 */
const TOGETHER: readonly (readonly (keyof typeof SYMBOLS)[])[] = [
  ["strerror", "strnlen", "memcpy_from_address"],
  // For waiting for a child, reading its output and ending it: a program can drop its FFI
  // permission in between.
  [
    "epoll_create1",
    "eventfd",
    "epoll_ctl",
    "epoll_wait",
    "epoll_wait_parked",
    "poll",
    "read",
    "write",
    "fcntl",
    "syscall_waitid",
    "syscall_statx",
  ],
];

let opened: Libc | undefined;
let errnoLocation: Deno.PointerObject;

/** libc. Its functions are opened when they are first called. */
export function libc(): Libc {
  return opened ??= start();
}

function start(): Libc {
  const first = open(SYMBOLS, FIRST);
  errnoLocation = first.__errno_location()!;
  return Object.assign(standIns(SYMBOLS, TOGETHER), first);
}

/**
 * libc with the functions of another table. They are opened when one of them is first called.
 *
 * The reason: Deno compiles a stub for each function that it opens. That takes 0.07 to 0.25 ms, and
 * few programs need all of them.
 */
export function libcWith<const T extends Deno.ForeignLibraryInterface>(
  table: T,
): () => Deno.DynamicLibrary<T>["symbols"] {
  let symbols: Deno.DynamicLibrary<T>["symbols"] | undefined;
  const get = () => {
    if (symbols === undefined) {
      // errno is read by functions of the main table. Open that before any call: opening it after a
      // failed call would change errno.
      libc();
      symbols = standIns(table, [Object.keys(table)]);
    }
    return symbols;
  };
  tables.push(get);
  return get;
}

/**
 * Opens every function that the library can call. Test programs need this: a test runner's
 * sanitizer reports an opened function as a leak of the running test.
 */
export function openAll(): void {
  for (const get of tables) get();
  for (const open of openings) open();
}

const tables: (() => unknown)[] = [libc];
const openings: (() => void)[] = [];

type Call = (...args: unknown[]) => unknown;

/**
 * A stand-in for each function of a table. At its first call it opens the real function and
 * replaces itself by that. The object keeps its shape, so later calls cost nothing extra.
 */
function standIns<T extends Deno.ForeignLibraryInterface>(
  table: T,
  together: readonly (readonly (keyof T)[])[],
): Deno.DynamicLibrary<T>["symbols"] {
  const symbols = {} as Record<keyof T, Call>;
  const alone = Object.keys(table).filter((name) => !together.some((all) => all.includes(name)));
  for (const names of [...together, ...alone.map((name) => [name])]) {
    let functions: Record<keyof T, Call> | undefined;
    const opened = () => functions ??= open(table, names) as Record<keyof T, Call>;
    openings.push(opened);
    for (const name of names) {
      const standIn: Call = (...args) => {
        const call = opened()[name];
        if (symbols[name] === standIn) symbols[name] = call;
        return call(...args);
      };
      symbols[name] = standIn;
    }
  }
  return symbols as Deno.DynamicLibrary<T>["symbols"];
}

let known: Arch | undefined;

/** The architecture. Throws if it is not supported: system call numbers differ. */
export function arch(): Arch {
  return known ??= checkArch(Deno.build);
}

function checkArch({ os, arch }: typeof Deno.build): Arch {
  if (os !== "linux") throw new UnsupportedError("pidfd", "Linux 5.4", `this is ${os}`);
  if (arch !== "x86_64" && arch !== "aarch64") {
    throw new UnsupportedError("this architecture", "x86_64 or aarch64", `this is ${arch}`);
  }
  return arch;
}

// Nothing may be allocated between a call and reading its errno: an allocation can start the
// garbage collector, whose calls change errno.
const errnoBytes = new Uint8Array(new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const errnoView = new DataView(errnoBytes.buffer);
const ERRNO_SIZE = BigInt(errnoBytes.length);

/** errno of the last synchronous call. Valid only directly after that call. */
export function lastErrno(): number {
  libc().memcpy(errnoBytes, errnoLocation, ERRNO_SIZE);
  return errnoView.getInt32(0, true);
}

/** libc's text for an error: "No such process". */
export function describeErrno(errno: number): string {
  return stringAt(libc().strerror(errno));
}

/** The address of a buffer, for structs with pointers. Keep the buffer referenced meanwhile. */
export function addressOf({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): bigint {
  // V8 keeps a small array's bytes in its heap, where they can move. Reading the array's `buffer`
  // moves them out of the heap for good, so read it first and take the address then.
  const bytes = new Uint8Array(buffer, byteOffset, length);
  return libc().memcpy_address(bytes, bytes, 0n);
}

function stringAt(address: bigint): string {
  return fromCString(bytesAt(address, libc().strnlen(address, LONGEST)));
}

/** Copies memory by its address. */
export function bytesAt(address: bigint, length: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(Number(length)));
  libc().memcpy_from_address(bytes, address, length);
  return bytes;
}

/** The longest string that we read: one of the environment, 32 pages of at most 64 KiB. */
export const LONGEST = 32n * 64n * 1024n;

/**
 * Opens functions of libc. They are never closed: a parked wait can be inside one at any time. The
 * loader has libc open already, so this keeps no descriptor.
 */
function open<T extends Deno.ForeignLibraryInterface, K extends keyof T>(
  table: T,
  names: readonly K[],
): Pick<Deno.DynamicLibrary<T>["symbols"], K> {
  const wanted = Object.fromEntries(names.map((name) => [name, table[name]])) as Pick<T, K>;
  const paths = placesOf(arch());
  try {
    return Deno.dlopen(path ??= pathToOpen(paths), wanted).symbols;
  } catch (cause) {
    path = undefined;
    if (cause instanceof Deno.errors.NotCapable) {
      throw new Deno.errors.NotCapable(
        `pidfds are reached through libc: run with --allow-ffi, or with --allow-ffi=${paths[0]} ` +
          "(the path of this system's libc) for no other library",
        { cause },
      );
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnsupportedError(LIBC_NAME, "a Linux with the GNU C library", reason);
  }
}

/** The name that was opened. It is remembered, so that permissions are queried once. */
let path: string | undefined;

/**
 * The name to open: one that the permissions allow. They are queried first, because a query never
 * prompts the user, but opening without permission does.
 */
function pathToOpen(paths: string[]): string {
  const granted = (path?: string) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  if (granted()) return LIBC_NAME;
  return paths.find(granted) ?? LIBC_NAME;
}

/**
 * The way into the kernel: the one place that opens libc, reads errno, and reads memory
 * that libc points to.
 *
 * Facts that this file rests on (measured with Deno 2.9.6):
 * - A bare `libc.so.6` is opened through the loader's search path, which needs the
 *   whole of `--allow-ffi`. Under `--allow-ffi=PATH` only PATH itself can be opened.
 * - Under `--allow-ffi=PATH` Deno also refuses to read through pointers
 *   (`Deno.UnsafePointerView`, `Deno.UnsafePointer.of`), but not to call functions
 *   with them: so memory behind a pointer is fetched by libc's own memcpy.
 * - errno belongs to the thread. After a synchronous call it is this thread's own, until the
 *   garbage collector runs, whose calls change it; after a nonblocking call it is another
 *   thread's and must not be read.
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

/** The name of the GNU C library. To musl's loader it means musl, as every name does that begins with "libc.". */
const LIBC_NAME = "libc.so.6";

/**
 * Where libc is, the most usual place first. An image that brings a GNU C library for Deno to a system
 * that has none keeps it in `/usr/local/lib`. musl is a file by two names, and its own loader.
 */
function placesOf(arch: Arch): string[] {
  const folders = [`/lib/${arch}-linux-gnu`, `/usr/lib/${arch}-linux-gnu`, "/lib64", "/usr/lib64"];
  return [
    ...[...folders, "/usr/local/lib"].map((folder) => `${folder}/${LIBC_NAME}`),
    ...[`/lib/ld-musl-${arch}.so.1`, `/lib/libc.musl-${arch}.so.1`],
  ];
}

/** What is opened with the first function: what reads errno, and what cleans up. */
const FIRST = ["__errno_location", "memcpy", "close", "environ"] as const;

/**
 * Functions of which all are opened with the first: what follows on it, and what undoes it, can't
 * fail for want of anything then. Every other function is opened alone.
 */
const TOGETHER: readonly (readonly (keyof typeof SYMBOLS)[])[] = [
  ["strerror", "strnlen", "memcpy_from_address"],
  // What it takes to wait for a child, to read what it writes and to end it: a program can give up
  // its permission meanwhile.
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
    "syscall_pidfd_send_signal",
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
 * libc with the functions of another table, opened when one of them is first called.
 *
 * Deno compiles a stub for each function that it opens. That takes 0.07 to 0.25 ms, and few programs need
 * all.
 */
export function libcWith<const T extends Deno.ForeignLibraryInterface>(
  table: T,
): () => Deno.DynamicLibrary<T>["symbols"] {
  let symbols: Deno.DynamicLibrary<T>["symbols"] | undefined;
  const get = () => {
    if (symbols === undefined) {
      // errno is read by way of the other table. To open that one only after a call has failed
      // would change it.
      libc();
      symbols = standIns(table, [Object.keys(table)]);
    }
    return symbols;
  };
  tables.push(get);
  return get;
}

/**
 * Opens every function that the library can call. A test runner's sanitizer takes each opening for a
 * leak of the test that it happens in.
 */
export function openAll(): void {
  for (const get of tables) get();
  for (const open of openings) open();
}

const tables: (() => unknown)[] = [libc];
const openings: (() => void)[] = [];

type Call = (...args: unknown[]) => unknown;

/**
 * A function for each of a table, which opens the real one and makes way for it. So the object keeps
 * its shape, and every further call costs what it would cost without this.
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

/** The architecture, once it is known to be one that we have numbers for. */
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

// Nothing may be allocated between a call and the reading of its errno: the garbage collector
// would make calls of its own on this thread.
const errnoBytes = new Uint8Array(new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const errnoView = new DataView(errnoBytes.buffer);
const ERRNO_SIZE = BigInt(errnoBytes.length);

/** errno of the last synchronous call. Right only directly behind it. */
export function lastErrno(): number {
  libc().memcpy(errnoBytes, errnoLocation, ERRNO_SIZE);
  return errnoView.getInt32(0, true);
}

/** libc's words for an error: "No such process". */
export function describeErrno(errno: number): string {
  return stringAt(libc().strerror(errno));
}

/** Where a buffer's memory is: for structs that point to others. It must outlive their use. */
export function addressOf({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): bigint {
  // V8 keeps a small array's bytes in its own heap, where they move, until somebody asks for
  // the array's buffer: so this does, and takes the address of that.
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

/** No string that we read is longer: one of the environment has 32 pages at most, of 64 KiB. */
export const LONGEST = 32n * 64n * 1024n;

/**
 * Opens functions of libc, to the program's end: those of a closed library must not be called, and a
 * wait can be parked in one at any time. The loader has libc already, so that this takes no descriptor.
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

/** What was opened, so that the permissions are asked for once. */
let path: string | undefined;

/**
 * The name to open: asking never prompts, opening without a permission does, so the
 * permissions decide which name is tried.
 */
function pathToOpen(paths: string[]): string {
  const granted = (path?: string) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  if (granted()) return LIBC_NAME;
  return paths.find(granted) ?? LIBC_NAME;
}

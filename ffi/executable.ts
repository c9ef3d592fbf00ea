/**
 * The memory that the launcher needs beside JavaScript's: the page with its machine code, and the
 * one in which a child leaves word that doesn't share this program's memory.
 *
 * Memory is never writable and executable at once: the page is written first and made executable
 * then, once and for all. The kernel itself cleans arm64's instruction cache for a page that
 * becomes executable for the first time.
 *
 * Both pages stay to the program's end. A worker has its own, and what it has mapped outlives it:
 * 4 KiB for each worker that starts a process, and as much again if it changes a child's user.
 *
 * @module
 */

import { outcome } from "../structs/launch.ts";
import { attempt } from "./call.ts";
import { errnoName } from "./errno.ts";
import { UnsupportedError } from "./errors.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { arch, lastErrno, libc } from "./libc.ts";
import { machineCode } from "./machine_code.ts";

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
/** What mmap(2) returns on failure: (void *) −1. */
const MAP_FAILED = 2n ** 64n - 1n;

let code: bigint | undefined;

/**
 * The address of the launcher's code.
 *
 * @throws {UnsupportedError} If this program can't have executable memory of its own.
 */
export function launcherCode(): bigint {
  return code ??= placeCode();
}

function placeCode(): bigint {
  const bytes = machineCode(arch());
  const size = BigInt(bytes.length);
  const address = map(size, MAP_PRIVATE);
  launcherLibc().memcpy_to_address(address, bytes, size);
  const { mprotect } = launcherLibc();
  const result = attempt(() => mprotect(address, size, PROT_READ | PROT_EXEC));
  if (result < 0) throw refused(-result);
  return address;
}

let shared: bigint | undefined;

/** The address of an outcome in memory that a child shares whose other memory is a copy. */
export function sharedOutcome(): bigint {
  return shared ??= map(BigInt(outcome.size), MAP_SHARED);
}

/** New memory, which is all zero. mmap(2) */
function map(size: bigint, flags: number): bigint {
  const { mmap } = launcherLibc();
  const address = mmap(0n, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0n);
  if (address === MAP_FAILED) throw refused(lastErrno());
  return address;
}

function refused(errno: number): UnsupportedError {
  return new UnsupportedError(
    "executable memory",
    "a system that lets this program map it, as Deno itself needs it",
    `it was refused with ${errnoName(errno)}, and nothing was started`,
  );
}

/** Reads what a child left in the shared outcome. */
export function readSharedOutcome(into: Uint8Array<ArrayBuffer>): void {
  libc().memcpy_from_address(into, sharedOutcome(), BigInt(into.length));
}

/** Empties the shared outcome, for the next child. */
export function clearSharedOutcome(): void {
  const nothing = outcome.allocate().bytes;
  launcherLibc().memcpy_to_address(sharedOutcome(), nothing, BigInt(nothing.length));
}

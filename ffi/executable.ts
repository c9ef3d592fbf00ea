/**
 * The memory that the launcher needs beside JavaScript's: the page with its machine code, and the
 * one in which a child leaves word that doesn't share this program's memory.
 *
 * The page is never writable and executable at once: it is written first and made executable
 * then, once and for all. The kernel itself cleans arm64's instruction cache for a page that
 * becomes executable for the first time.
 *
 * Both pages stay to the program's end. A worker has its own, and what it has mapped outlives it:
 * 4 KiB for each worker that starts a process, and as much again if it changes a child's user.
 *
 * @module
 */

import { outcome } from "../structs/launch.ts";
import { attempt, failure } from "./call.ts";
import { Errno, errnoName } from "./errno.ts";
import { UnsupportedError } from "./errors.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { arch, libc } from "./libc.ts";
import { machineCode } from "./machine_code.ts";

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
/** What mmap(2) returns on failure: (void *) −1. */
const MAP_FAILED = 2n ** 64n - 1n;

/** The page with the code, and whether it is executable by now. */
let page: bigint | undefined;
let isReady = false;

/**
 * The address of the launcher's code.
 *
 * @throws {UnsupportedError} If this program can't have executable memory of its own.
 */
export function launcherCode(): bigint {
  page ??= writeCode();
  if (!isReady) makeExecutable(page);
  isReady = true;
  return page;
}

function writeCode(): bigint {
  const bytes = machineCode(arch());
  const address = map(bytes.length, MAP_PRIVATE);
  launcherLibc().memcpy_to_address(address, bytes, BigInt(bytes.length));
  return address;
}

/** Takes the right to write away with giving that to execute. mprotect(2) */
function makeExecutable(address: bigint): void {
  const { mprotect } = launcherLibc();
  const result = attempt(() => mprotect(address, 1n, PROT_READ | PROT_EXEC));
  if (result === -Errno.ENOMEM) throw failure("mprotect", -result);
  if (result === 0) return;
  throw new UnsupportedError(
    "executable memory",
    "a system that lets this program make memory executable",
    `it was refused with ${errnoName(-result)}, and nothing was started`,
  );
}

let shared: bigint | undefined;

/** The address of an outcome in memory that a child shares whose other memory is a copy. */
export function sharedOutcome(): bigint {
  return shared ??= map(outcome.size, MAP_SHARED);
}

/** Where in the shared outcome the PID of a process is noted that goes on in a child's place. */
export function heirAddress(): number {
  return Number(sharedOutcome()) + outcome.offsets.heir;
}

/** New memory, which is all zero. mmap(2) */
function map(size: number, flags: number): bigint {
  const { mmap } = launcherLibc();
  const protection = PROT_READ | PROT_WRITE;
  const address = mmap(0n, BigInt(size), protection, flags | MAP_ANONYMOUS, -1, 0n);
  // errno is not asked for: the engine can need memory itself for so large a number, and change it.
  // New memory is only ever refused for want of memory.
  if (address === MAP_FAILED) throw failure("mmap", Errno.ENOMEM);
  return address;
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

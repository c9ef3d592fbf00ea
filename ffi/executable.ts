/**
 * The launcher's memory outside of JavaScript: a page with its machine code, and a page in which a
 * child with its own memory leaves its outcome.
 *
 * The page with the code is never writable and executable at once: it is written first, and then
 * made executable for good. On arm64 the kernel itself cleans the instruction cache for a page that
 * becomes executable for the first time.
 *
 * Both pages exist until the program ends. Each worker maps its own, and they outlive the worker: 4
 * KiB for each worker that starts a process, and another 4 KiB if a child has its own memory.
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
 * @throws {UnsupportedError} If the system refuses this program executable memory.
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

/** Makes the page executable and no longer writable, in one call. mprotect(2) */
function makeExecutable(address: bigint): void {
  const { mprotect } = launcherLibc();
  const result = attempt(() => mprotect(address, 1n, PROT_READ | PROT_EXEC));
  if (result === -Errno.ENOMEM) throw failure("mprotect", -result);
  if (result === 0) return;
  throw new UnsupportedError(
    "executable memory",
    "a system that lets this program make memory executable",
    `the kernel refused it with ${errnoName(-result)}, and nothing was started`,
  );
}

let shared: bigint | undefined;

/** The address of the outcome for a child with its own memory. This page is shared with it. */
export function sharedOutcome(): bigint {
  return shared ??= map(outcome.size, MAP_SHARED);
}

/** The address in the shared outcome at which the kernel stores an heir's PID. */
export function heirAddress(): number {
  return Number(sharedOutcome()) + outcome.offsets.heir;
}

/** New zeroed memory. mmap(2) */
function map(size: number, flags: number): bigint {
  const { mmap } = launcherLibc();
  const protection = PROT_READ | PROT_WRITE;
  const address = mmap(0n, BigInt(size), protection, flags | MAP_ANONYMOUS, -1, 0n);
  // errno can't be read here: the engine may allocate memory for so large a number, which can
  // change errno. It is always ENOMEM: new memory is refused for no other reason.
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

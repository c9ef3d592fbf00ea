/**
 * This program's environment, read while other threads may change it.
 *
 * environ(7) points to an array of pointers to lines of the form `NAME=value`. Deno's workers share
 * it, and setenv(3) in one of them may give the array other memory while we read it here. glibc
 * never frees nor changes the lines themselves, because getenv(3) hands them out. So:
 * - The array is read by process_vm_readv(2), which says EFAULT where plain reading would crash.
 * - It is read twice. If it is in the same place and the same both times, it was the environment's
 *   at some moment between, and its lines are there. Otherwise it is read again.
 * - As long as it doesn't change, the lines don't, and are not read again either.
 *
 * `Deno.env` has a lock, but needs a permission, leaves out what isn't UTF-8, and takes ten times
 * as long.
 *
 * @module
 */

import { iovec } from "../structs/socket.ts";
import { u64 } from "../structs/scalars.ts";
import { attempt } from "./call.ts";
import { Errno } from "./errno.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { addressOf, bytesAt, libc, LONGEST } from "./libc.ts";
import { getpid } from "./syscalls.ts";

/** A line in bytes, with its NUL: not all that is in an environment is UTF-8. */
export type EnvironmentLine = Uint8Array<ArrayBuffer>;

const POINTER = u64.size;
const FIRST_SIZE = 512 * POINTER;

/** Where the array is, and its pointers. */
interface Snapshot {
  readonly address: bigint;
  /** Each pointer in two halves, and so is the NULL behind them. */
  readonly pointers: Uint32Array<ArrayBuffer>;
}

let last: { readonly seen: Snapshot; readonly lines: readonly EnvironmentLine[] } | undefined;

/** The lines of the environment as it is now: the same object, if they are the same. */
export function environment(): readonly EnvironmentLine[] {
  if (last && isUnchanged(last.seen)) return last.lines;
  let seen: Snapshot;
  do seen = look(); while (!isUnchanged(seen));
  last = { seen, lines: linesOf(seen.pointers) };
  return last.lines;
}

/** Memory to look again with, without making new. */
let again = memory(FIRST_SIZE);

function isUnchanged({ address, pointers }: Snapshot): boolean {
  if (whereItIs() !== address) return false;
  if (again.bytes.length < pointers.byteLength) again = memory(2 * pointers.byteLength);
  const { bytes, halves } = again;
  return readMemory(address, bytes, pointers.byteLength) === pointers.byteLength &&
    pointers.every((half, i) => half === halves[i]);
}

/** Looks at the array until it is seen whole; that can still be one that was given up meanwhile. */
function look(): Snapshot {
  for (let size = FIRST_SIZE;;) {
    const address = whereItIs();
    if (address === 0n) return { address, pointers: new Uint32Array(0) };
    const { bytes, halves } = memory(size);
    const length = readMemory(address, bytes, size);
    const end = endOf(halves, length);
    if (end !== null) return { address, pointers: halves.subarray(0, end) };
    if (length === size) size *= 2;
  }
}

function memory(size: number) {
  const halves = new Uint32Array(size / Uint32Array.BYTES_PER_ELEMENT);
  return { halves, bytes: new Uint8Array(halves.buffer) };
}

const slot = new Uint8Array(new ArrayBuffer(POINTER));
const slotView = new DataView(slot.buffer);
const SLOT_SIZE = BigInt(POINTER);

function whereItIs(): bigint {
  libc().memcpy(slot, libc().environ, SLOT_SIZE);
  return u64.read(slotView, 0);
}

/** How many halves there are up to the NULL and with it; null if there is none in so many bytes. */
function endOf(halves: Uint32Array, length: number): number | null {
  for (let i = 0; (i + 2) * Uint32Array.BYTES_PER_ELEMENT <= length; i += 2) {
    if (halves[i] === 0 && halves[i + 1] === 0) return i + 2;
  }
  return null;
}

const local = iovec.allocate();
const remote = iovec.allocate();

/**
 * Copies some memory, up to a size, and returns how much of it there is. process_vm_readv(2)
 *
 * Where a sandbox refuses that call, it is copied plainly, pointer by pointer up to the NULL.
 */
function readMemory(address: bigint, into: Uint8Array<ArrayBuffer>, size: number): number {
  local.fields.iov_base = addressOf(into);
  local.fields.iov_len = remote.fields.iov_len = BigInt(size);
  remote.fields.iov_base = address;
  const { process_vm_readv: call } = launcherLibc();
  const result = attempt(() => call(getpid(), local.bytes, 1n, remote.bytes, 1n, 0n));
  if (result >= 0) return result;
  return result === -Errno.EFAULT ? 0 : copyPointers(address, into, size);
}

function copyPointers(address: bigint, into: Uint8Array<ArrayBuffer>, size: number): number {
  for (let at = 0; at < size; at += POINTER) {
    libc().memcpy_from_address(slot, address + BigInt(at), SLOT_SIZE);
    into.set(slot, at);
    if (u64.read(slotView, 0) === 0n) return at + POINTER;
  }
  return size;
}

/** The lines that pointers lead to, but for the NULL behind them. */
function linesOf({ buffer, length }: Uint32Array<ArrayBuffer>): EnvironmentLine[] {
  const view = new DataView(buffer);
  return Array.from({ length: Math.max(length / 2 - 1, 0) }, (_, i) => {
    const address = u64.read(view, i * POINTER);
    return bytesAt(address, libc().strnlen(address, LONGEST) + 1n);
  });
}

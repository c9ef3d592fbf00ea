/**
 * Reading this program's environment while other threads may change it.
 *
 * environ(7) points to an array of pointers to lines of the form `NAME=value`. Deno's workers share
 * it. setenv(3) in a worker can move the array while we read it; its old memory is then garbage.
 * The lines themselves are never freed or changed, because getenv(3) returns pointers to them. So:
 * - If the array has the same address and content as before, the environment is unchanged. This is
 *   nearly always the case, and the check takes a microsecond.
 * - Otherwise Deno reads the environment under its lock. That needs `--allow-env`. Without the
 *   permission, the lines are read through the array. They can be a mixture of old and new, if a
 *   worker with the permission sets a variable at that moment.
 * - The array is read by process_vm_readv(2), which returns EFAULT where a plain read would crash.
 *
 * @module
 */

import { cString } from "../structs/cstring.ts";
import { iovec } from "../structs/socket.ts";
import { u64 } from "../structs/scalars.ts";
import { attempt } from "./call.ts";
import { Errno } from "./errno.ts";
import { launcherLibc } from "./launcher_symbols.ts";
import { addressOf, bytesAt, libc, LONGEST } from "./libc.ts";

/** A line as bytes with its NUL: an environment may contain text that is not UTF-8. */
export type EnvironmentLine = Uint8Array<ArrayBuffer>;

const POINTER = u64.size;
const FIRST_SIZE = 512 * POINTER;
const FIRST_LENGTH = 512;

/** The array as it was read. */
interface Snapshot {
  readonly address: bigint;
  /** Each pointer in two halves, with the NULL at the end. */
  readonly pointers: Uint32Array<ArrayBuffer>;
  /** For reading the same memory again. */
  readonly view: View;
}

let last: { readonly seen: Snapshot; readonly lines: readonly EnvironmentLine[] } | undefined;

/** The current lines of the environment. If they are unchanged, the same object is returned. */
export function environment(): readonly EnvironmentLine[] {
  if (last && isUnchanged(last.seen)) return last.lines;
  const seen = look();
  const found = linesOf(seen.pointers);
  const lines = canAskDeno() ? [...denosLines(), ...found.filter(isHidden)] : found;
  // If the array changed again meanwhile, the lines were right at one moment, but don't match
  // `seen`.
  last = isUnchanged(seen) ? { seen, lines } : undefined;
  return lines;
}

/**
 * Whether Deno shows the whole environment. With `--deny-env` or `--ignore-env` for some variables
 * it leaves those out, but a child must inherit them.
 */
function canAskDeno(): boolean {
  const { state, partial } = Deno.permissions.querySync({ name: "env" });
  return state === "granted" && !partial;
}

function isUnchanged({ address, pointers, view }: Snapshot): boolean {
  if (whereItIs() !== address || view.read() !== pointers.byteLength) return false;
  for (let i = 0; i < pointers.length; i++) {
    if (pointers[i] !== view.halves[i]) return false;
  }
  return true;
}

/** Reads the array up to its end. It can be an old array that was moved meanwhile. */
function look(): Snapshot {
  for (let size = FIRST_SIZE;;) {
    const address = whereItIs();
    if (address === 0n) return { address, pointers: new Uint32Array(0), view: new View(0n, 0) };
    const view = new View(address, size);
    const length = view.read();
    const end = endOf(view.halves, length);
    if (end !== null) {
      const pointers = view.halves.subarray(0, end);
      return { address, pointers, view: new View(address, pointers.byteLength) };
    }
    if (length === size) size *= 2;
  }
}

function denosLines(): EnvironmentLine[] {
  return Object.entries(Deno.env.toObject())
    .map(([name, value]) => cString(`${name}=${value}`, "the environment"));
}

/** Whether Deno doesn't show a line, because its name or its value isn't UTF-8. */
function isHidden(line: EnvironmentLine): boolean {
  const name = nameIn(line);
  if (name.length === 0) return false;
  try {
    Deno.env.get(strict.decode(name));
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.InvalidData) return true;
    // Deno refuses a name that isn't UTF-8 or begins with "=". Garbage can look like such a name.
    // So the line counts only if a second read finds it again.
    return error instanceof TypeError &&
      linesOf(look().pointers).some((other) => isEqual(line, other));
  }
}

function isEqual(one: EnvironmentLine, other: EnvironmentLine): boolean {
  return byBytes.decode(one) === byBytes.decode(other);
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes each byte to one character, so that different names stay different. */
const byBytes = new TextDecoder("latin1");

/**
 * The name of a line's variable, for comparisons: one character for each byte, because not all
 * names are UTF-8. "" if the line has no name.
 */
export function nameOf(line: EnvironmentLine): string {
  return byBytes.decode(nameIn(line));
}

function nameIn(line: EnvironmentLine): EnvironmentLine {
  // A name may begin with "=", although no sane one does.
  return line.subarray(0, Math.max(line.indexOf("=".charCodeAt(0), 1), 0));
}

const slot = new Uint8Array(new ArrayBuffer(POINTER));
const slotView = new DataView(slot.buffer);
const SLOT_SIZE = BigInt(POINTER);

function whereItIs(): bigint {
  libc().memcpy(slot, libc().environ, SLOT_SIZE);
  return u64.read(slotView, 0);
}

/** The number of halves up to and with the NULL; null if these bytes contain no NULL. */
function endOf(halves: Uint32Array, length: number): number | null {
  for (let i = 0; (i + 2) * Uint32Array.BYTES_PER_ELEMENT <= length; i += 2) {
    if (halves[i] === 0 && halves[i + 1] === 0) return i + 2;
  }
  return null;
}

/** Whether a sandbox refuses process_vm_readv. Then memory is copied directly. */
let isRefused = false;

/** Memory at an address that can be copied repeatedly. process_vm_readv(2) */
class View {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly halves: Uint32Array<ArrayBuffer>;
  readonly #local: Uint8Array<ArrayBuffer>;
  readonly #remote: Uint8Array<ArrayBuffer>;

  constructor(readonly address: bigint, size: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(size));
    this.halves = new Uint32Array(this.bytes.buffer);
    const iov_len = BigInt(size);
    this.#local = iovec.encode({ iov_base: addressOf(this.bytes), iov_len });
    this.#remote = iovec.encode({ iov_base: address, iov_len });
  }

  /** Copies the memory, and returns how many bytes are readable. */
  read(): number {
    if (!isRefused) {
      const { process_vm_readv: call } = launcherLibc();
      const result = attempt(() => call(Deno.pid, this.#local, 1n, this.#remote, 1n, 0n));
      if (result >= 0) return result;
      if (result === -Errno.EFAULT) return 0;
      isRefused = true;
    }
    return copyPointers(this.address, this.bytes);
  }
}

/** Copies pointers up to and with the NULL. */
function copyPointers(address: bigint, into: Uint8Array<ArrayBuffer>): number {
  for (let at = 0; at < into.length; at += POINTER) {
    libc().memcpy_from_address(slot, address + BigInt(at), SLOT_SIZE);
    into.set(slot, at);
    if (u64.read(slotView, 0) === 0n) return at + POINTER;
  }
  return into.length;
}

/** The lines that the pointers point to. */
function linesOf({ buffer, length }: Uint32Array<ArrayBuffer>): EnvironmentLine[] {
  const view = new DataView(buffer);
  const count = Math.max(length / 2 - 1, 0);
  return Array.from({ length: count }, (_, i) => lineAt(u64.read(view, i * POINTER)))
    .filter((line) => line !== null);
}

/** The line at an address; null if the memory is not readable up to a NUL. */
function lineAt(address: bigint): EnvironmentLine | null {
  if (isRefused) return bytesAt(address, libc().strnlen(address, LONGEST) + 1n);
  for (let size = FIRST_LENGTH;; size *= 2) {
    const view = new View(address, size);
    const length = view.read();
    const end = view.bytes.subarray(0, length).indexOf(0);
    if (end >= 0) return view.bytes.slice(0, end + 1);
    if (length < size) return null;
  }
}

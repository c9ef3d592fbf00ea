/**
 * This program's environment, read while other threads may change it.
 *
 * environ(7) points to an array of pointers to lines of the form `NAME=value`. Deno's workers share
 * it, and setenv(3) in one of them can give the array another place while we read it here. What
 * that leaves of the array is garbage; the lines are never freed nor changed, because getenv(3)
 * hands them out. So:
 * - As long as the array is where it was and as it was, so is the environment: this is
 *   nearly always so, and takes a microsecond to see.
 * - Otherwise Deno is asked, which has a lock for it. That takes `--allow-env`. In a program without
 *   it, the lines are those that the array leads to: a mixture, if a worker that has the
 *   permission sets a variable at that moment.
 * - The array is read by process_vm_readv(2), which says EFAULT where plain reading would crash.
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

/** A line in bytes, with its NUL: not all that is in an environment is UTF-8. */
export type EnvironmentLine = Uint8Array<ArrayBuffer>;

const POINTER = u64.size;
const FIRST_SIZE = 512 * POINTER;
const FIRST_LENGTH = 512;

/** What was seen of the array. */
interface Snapshot {
  readonly address: bigint;
  /** Each pointer in two halves, and so is the NULL behind them. */
  readonly pointers: Uint32Array<ArrayBuffer>;
  /** To look again with. */
  readonly view: View;
}

let last: { readonly seen: Snapshot; readonly lines: readonly EnvironmentLine[] } | undefined;

/** The lines of the environment as it is now: the same object, if they are the same. */
export function environment(): readonly EnvironmentLine[] {
  if (last && isUnchanged(last.seen)) return last.lines;
  const seen = look();
  const found = linesOf(seen.pointers);
  const lines = canAskDeno() ? [...denosLines(), ...found.filter(isHidden)] : found;
  // What has changed again meanwhile is what was right at one moment, but not what is seen.
  last = isUnchanged(seen) ? { seen, lines } : undefined;
  return lines;
}

/**
 * Whether Deno tells of the whole environment. With `--deny-env` or `--ignore-env` for some variables
 * it leaves those out, which are the child's all the same.
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

/** Looks at the array until an end is seen. It can be one that was given up meanwhile. */
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

/** Whether a line is one that Deno doesn't tell of, as its name or its value isn't UTF-8. */
function isHidden(line: EnvironmentLine): boolean {
  const name = nameIn(line);
  if (name.length === 0) return false;
  try {
    Deno.env.get(strict.decode(name));
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.InvalidData) return true;
    // Deno can't be asked for a name that isn't UTF-8, or begins with "=". Garbage can look like
    // that, but not twice.
    return error instanceof TypeError &&
      linesOf(look().pointers).some((other) => isEqual(line, other));
  }
}

function isEqual(one: EnvironmentLine, other: EnvironmentLine): boolean {
  return byBytes.decode(one) === byBytes.decode(other);
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Each byte as a character of its own, so that different names stay different. */
const byBytes = new TextDecoder("latin1");

/**
 * What tells the variable that a line has the value of from others: the name, with a character for
 * each byte, as not all names are UTF-8. "" for a line that has none.
 */
export function nameOf(line: EnvironmentLine): string {
  return byBytes.decode(nameIn(line));
}

function nameIn(line: EnvironmentLine): EnvironmentLine {
  // A name may begin with "=", as no sane one does.
  return line.subarray(0, Math.max(line.indexOf("=".charCodeAt(0), 1), 0));
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

/** Whether a sandbox refuses process_vm_readv: then memory is read plainly. */
let isRefused = false;

/** Memory at an address, to be copied again and again. process_vm_readv(2) */
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

  /** Copies it, and returns how much of it there is. */
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

/** Copies pointers up to the NULL behind them. */
function copyPointers(address: bigint, into: Uint8Array<ArrayBuffer>): number {
  for (let at = 0; at < into.length; at += POINTER) {
    libc().memcpy_from_address(slot, address + BigInt(at), SLOT_SIZE);
    into.set(slot, at);
    if (u64.read(slotView, 0) === 0n) return at + POINTER;
  }
  return into.length;
}

/** The lines that pointers lead to, but for the NULL behind them. */
function linesOf({ buffer, length }: Uint32Array<ArrayBuffer>): EnvironmentLine[] {
  const view = new DataView(buffer);
  const count = Math.max(length / 2 - 1, 0);
  return Array.from({ length: count }, (_, i) => lineAt(u64.read(view, i * POINTER)))
    .filter((line) => line !== null);
}

/** The line at an address; null if there is none. */
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

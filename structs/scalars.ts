/**
 * The C types that structs are made of. Sizes and alignments follow the LP64 ABIs of Linux on
 * x86-64 and arm64: every integer is aligned to its own size and stored little-endian.
 *
 * Writing is strict: a value that the type can't hold is a RangeError. The reason: a truncated PID,
 * fd or mask is a different PID, fd or mask.
 *
 * @module
 */

/** One C type: its size, its alignment, and how to read and write it. */
export interface CType<T> {
  /** The type's name, for messages. */
  readonly name: string;
  /** `sizeof`, in bytes. */
  readonly size: number;
  /** `alignof`, in bytes. */
  readonly align: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}

/** The JavaScript type that a C type decodes to. */
export type Decoded<C> = C extends CType<infer T> ? T : never;

const LITTLE_ENDIAN = true;
/** The value of one unit of the upper half of 64 bits. */
const HALF = 2 ** 32;

function narrow(
  name: string,
  size: number,
  [min, max]: [number, number],
  read: (view: DataView, offset: number) => number,
  put: (view: DataView, offset: number, value: number) => void,
): CType<number> {
  return {
    name,
    size,
    align: size,
    read,
    write(view, offset, value) {
      // Number.isInteger also refuses values that are not numbers.
      if (!Number.isInteger(value) || value < min || value > max) {
        throw new RangeError(`${name}: ${value} is not an integer in ${min}…${max}`);
      }
      put(view, offset, value);
    },
  };
}

function wide(
  name: string,
  [min, max]: [bigint, bigint],
  read: (view: DataView, offset: number) => bigint,
  put: (view: DataView, offset: number, value: bigint) => void,
): CType<bigint> {
  return {
    name,
    size: 8,
    align: 8,
    read,
    write(view, offset, value) {
      if (typeof value !== "bigint" || value < min || value > max) {
        throw new RangeError(`${name}: ${value} is not a bigint in ${min}…${max}`);
      }
      put(view, offset, value);
    },
  };
}

/** `uint8_t` */
export const u8: CType<number> = narrow(
  "u8",
  1,
  [0, 0xff],
  (view, offset) => view.getUint8(offset),
  (view, offset, value) => view.setUint8(offset, value),
);

/** `uint16_t`, `unsigned short` */
export const u16: CType<number> = narrow(
  "u16",
  2,
  [0, 0xffff],
  (view, offset) => view.getUint16(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setUint16(offset, value, LITTLE_ENDIAN),
);

/** `int16_t`, `short` */
export const i16: CType<number> = narrow(
  "i16",
  2,
  [-0x8000, 0x7fff],
  (view, offset) => view.getInt16(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setInt16(offset, value, LITTLE_ENDIAN),
);

/** `uint32_t`, `unsigned`, `uid_t` */
export const u32: CType<number> = narrow(
  "u32",
  4,
  [0, 0xffff_ffff],
  (view, offset) => view.getUint32(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setUint32(offset, value, LITTLE_ENDIAN),
);

/** `int32_t`, `int`, `pid_t` */
export const i32: CType<number> = narrow(
  "i32",
  4,
  [-0x8000_0000, 0x7fff_ffff],
  (view, offset) => view.getInt32(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setInt32(offset, value, LITTLE_ENDIAN),
);

/** `uint64_t`, `unsigned long`, `size_t`, a pointer */
export const u64: CType<bigint> = wide(
  "u64",
  [0n, 0xffff_ffff_ffff_ffffn],
  (view, offset) => view.getBigUint64(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setBigUint64(offset, value, LITTLE_ENDIAN),
);

/** `int64_t`, `long`, `off_t` */
export const i64: CType<bigint> = wide(
  "i64",
  [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  (view, offset) => view.getBigInt64(offset, LITTLE_ENDIAN),
  (view, offset, value) => view.setBigInt64(offset, value, LITTLE_ENDIAN),
);

/**
 * `long`, a pointer, or another 64-bit field whose values fit into the 53 bits of a number, such as
 * a program's addresses. Unlike a bigint, a number needs no allocation.
 */
export const word: CType<number> = narrow(
  "word",
  8,
  [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  (view, offset) =>
    view.getInt32(offset + 4, LITTLE_ENDIAN) * HALF + view.getUint32(offset, LITTLE_ENDIAN),
  (view, offset, value) => {
    view.setUint32(offset, value, LITTLE_ENDIAN);
    view.setInt32(offset + 4, Math.floor(value / HALF), LITTLE_ENDIAN);
  },
);

/** `T[length]` */
export function array<T>(element: CType<T>, length: number): CType<T[]> {
  const name = `${element.name}[${length}]`;
  return {
    name,
    size: element.size * length,
    align: element.align,
    read: (view, offset) =>
      Array.from({ length }, (_, i) => element.read(view, offset + i * element.size)),
    write(view, offset, values) {
      if (!Array.isArray(values) || values.length !== length) {
        throw new RangeError(`${name}: expected an array of ${length} elements`);
      }
      // By index, so that a hole in the array is refused, too.
      for (let i = 0; i < length; i++) element.write(view, offset + i * element.size, values[i]);
    },
  };
}

/** `unsigned char[length]` as bytes: for padding, and for data that is decoded elsewhere. */
export function bytes(length: number): CType<Uint8Array> {
  const name = `bytes[${length}]`;
  const at = (view: DataView, offset: number) =>
    new Uint8Array(view.buffer, view.byteOffset + offset, length);
  return {
    name,
    size: length,
    align: 1,
    read: (view, offset) => at(view, offset).slice(),
    write(view, offset, value) {
      if (!(value instanceof Uint8Array) || value.length !== length) {
        throw new RangeError(`${name}: expected a Uint8Array of ${length} bytes`);
      }
      at(view, offset).set(value);
    },
  };
}

/** `alignas(align) T`: for a field with a stricter alignment than its type has. */
export function aligned<T>(align: number, type: CType<T>): CType<T> {
  return {
    name: type.name,
    size: type.size,
    align: Math.max(align, type.align),
    read: type.read,
    write: type.write,
  };
}

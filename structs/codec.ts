/**
 * The layout of C structs. A struct is declared once, as its C fields in order. Its layout follows
 * from the C ABI's rules; encoding and decoding follow from the layout. No other file of the
 * project computes byte offsets.
 *
 * The rules (System V x86-64 psABI 3.1.2, AAPCS64 5.9): a field starts at the
 * next multiple of its alignment, a struct aligns as its strictest field does,
 * and its size is rounded up to that alignment. A packed struct has neither
 * padding nor alignment.
 *
 * @module
 */

import type { CType, Decoded } from "./scalars.ts";

/** The fields of a struct, in the order of their declaration in C. */
export type Fields = Readonly<Record<string, CType<unknown>>>;

/** What a struct with these fields decodes to. */
export type Values<F extends Fields> = { -readonly [K in keyof F]: Decoded<F[K]> };

/** A buffer that holds one struct, for handing to the kernel again and again. */
export interface Block<F extends Fields> {
  /** The memory itself. Keep it referenced until the kernel call that uses it has returned. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The fields in that memory. Each read decodes, each write encodes; nothing is cached. */
  readonly fields: Values<F>;
}

/** Deviations from the plain layout. */
export interface Layout {
  /** `__attribute__((packed))`: no padding, alignment 1. */
  packed?: boolean;
  /** The size that the kernel gives the struct, where it reserves more than the fields need. */
  size?: number;
}

/** One C struct. It is also a type, so it can be a field of another struct. */
export interface Struct<F extends Fields> extends CType<Values<F>> {
  /** `offsetof` of every field. */
  readonly offsets: { readonly [K in keyof F]: number };
  /**
   * Each field's index in an Int32Array over the struct, and the struct's length in it. Use it for
   * 32-bit fields in time-critical code. Reading an array's element needs no function call, whose
   * code would often not be in the processor's cache.
   */
  readonly ints: { readonly [K in keyof F]: number } & { readonly length: number };
  /** Reads a whole struct. Throws a RangeError unless there are exactly `size` bytes. */
  decode(bytes: Uint8Array): Values<F>;
  /** Makes a struct. Missing fields are zero, as with C's designated initialisers. */
  encode(values: Partial<Values<F>>): Uint8Array<ArrayBuffer>;
  /** A zeroed buffer for one struct. */
  allocate(): Block<F>;
  /** Zeroed memory for `count` structs in a row, and a block for each of them. */
  allocateArray(count: number): { bytes: Uint8Array<ArrayBuffer>; blocks: Block<F>[] };
}

/** The size of an Int32Array's element, in bytes. */
const INT = Int32Array.BYTES_PER_ELEMENT;

/** Declares a struct. */
export function struct<const F extends Fields>(
  name: string,
  fields: F,
  layout: Layout = {},
): Struct<F> {
  const { offsets, size, align } = place(name, fields, layout);
  const entries = Object.entries(fields).map(([key, type]) => ({ key, type, at: offsets[key] }));

  function read(view: DataView, offset: number): Values<F> {
    const values: Record<string, unknown> = {};
    for (const { key, type, at } of entries) values[key] = type.read(view, offset + at);
    return values as Values<F>;
  }

  function writeField(view: DataView, offset: number, key: string, value: unknown): void {
    try {
      fields[key].write(view, offset + offsets[key], value);
    } catch (error) {
      if (error instanceof RangeError) error.message = `${name}.${key}: ${error.message}`;
      throw error;
    }
  }

  function write(view: DataView, offset: number, values: Partial<Values<F>>): void {
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
      throw new TypeError(`${name}: expected an object with its fields`);
    }
    for (const key of Object.keys(values)) {
      if (!Object.hasOwn(fields, key)) throw new TypeError(`${name} has no field "${key}"`);
      writeField(view, offset, key, values[key]);
    }
  }

  // The accessors are on a prototype, so that each block costs only one small object.
  class Accessors {
    readonly #view: DataView;
    constructor(view: DataView) {
      this.#view = view;
      // Writing a misspelt field must be an error, not a new property.
      Object.preventExtensions(this);
    }
    static {
      for (const { key, type, at } of entries) {
        Object.defineProperty(Accessors.prototype, key, {
          get(this: Accessors) {
            return type.read(this.#view, at);
          },
          set(this: Accessors, value) {
            writeField(this.#view, 0, key, value);
          },
        });
      }
    }
  }

  function block(buffer: ArrayBuffer, offset: number): Block<F> {
    const accessors: unknown = new Accessors(new DataView(buffer, offset, size));
    return { bytes: new Uint8Array(buffer, offset, size), fields: accessors as Values<F> };
  }

  return {
    name,
    size,
    align,
    offsets,
    ints: { ...inInts(offsets), length: size / INT },
    read,
    write,
    decode(bytes) {
      if (bytes.length !== size) {
        throw new RangeError(`${name} has ${size} bytes, not ${bytes.length}`);
      }
      return read(new DataView(bytes.buffer, bytes.byteOffset, size), 0);
    },
    encode(values) {
      const bytes = new Uint8Array(size);
      write(new DataView(bytes.buffer), 0, values);
      return bytes;
    },
    allocate: () => block(new ArrayBuffer(size), 0),
    allocateArray(count) {
      const bytes = new Uint8Array(size * count);
      const blocks = Array.from({ length: count }, (_, i) => block(bytes.buffer, i * size));
      return { bytes, blocks };
    },
  };
}

function place<F extends Fields>(name: string, fields: F, layout: Layout) {
  const offsets: Record<string, number> = {};
  let end = 0;
  let align = 1;
  for (const [key, type] of Object.entries(fields)) {
    const step = layout.packed ? 1 : type.align;
    offsets[key] = roundUp(end, step);
    end = offsets[key] + type.size;
    align = Math.max(align, step);
  }
  const natural = roundUp(end, align);
  const size = layout.size ?? natural;
  if (size < natural || size % align !== 0) {
    throw new RangeError(`${name}: ${size} bytes can't hold its fields, which need ${natural}`);
  }
  return { offsets: offsets as { [K in keyof F]: number }, size, align };
}

function inInts<F extends Fields>(offsets: { [K in keyof F]: number }) {
  const ints = Object.entries(offsets).map(([key, offset]) => [key, offset / INT]);
  return Object.fromEntries(ints) as { [K in keyof F]: number };
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

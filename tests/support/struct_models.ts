/**
 * Structs at random, and what C makes of them by its own simple means: a list of the scalars in
 * a struct with the byte that each begins at. Nothing here asks the library where anything is.
 *
 * @module
 */

import { struct } from "../../structs/codec.ts";
import {
  aligned,
  array,
  bytes,
  type CType,
  i16,
  i32,
  i64,
  u16,
  u32,
  u64,
  u8,
} from "../../structs/scalars.ts";
import { fc } from "./property.ts";

/** A type, as the tests describe it. */
export type Model =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "bytes"; readonly length: number }
  | { readonly kind: "array"; readonly element: Model; readonly length: number }
  | { readonly kind: "aligned"; readonly align: number; readonly type: Model }
  | StructModel;

/** A struct, as the tests describe it. */
export interface StructModel {
  readonly kind: "struct";
  readonly fields: readonly { readonly name: string; readonly type: Model }[];
  readonly packed: boolean;
  /** How many times its alignment it is larger than it needs to be. */
  readonly spare: number;
}

export type Scalar = keyof typeof SCALARS;

/** The scalars: their C types, their sizes, whether they are signed, and how DataView sets them. */
export const SCALARS = {
  u8: { type: u8, size: 1, signed: false, set: "setUint8" },
  u16: { type: u16, size: 2, signed: false, set: "setUint16" },
  i16: { type: i16, size: 2, signed: true, set: "setInt16" },
  u32: { type: u32, size: 4, signed: false, set: "setUint32" },
  i32: { type: i32, size: 4, signed: true, set: "setInt32" },
  u64: { type: u64, size: 8, signed: false, set: "setBigUint64" },
  i64: { type: i64, size: 8, signed: true, set: "setBigInt64" },
} as const;

/** The smallest and the largest value of a scalar. */
export function limits(scalar: Scalar): [bigint, bigint] {
  const { size, signed } = SCALARS[scalar];
  const bits = BigInt(size * 8);
  return signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
}

/** A value of a scalar as JavaScript has it: a number where all of its values are exact. */
export function scalarValue(scalar: Scalar, value: bigint): number | bigint {
  return SCALARS[scalar].size === 8 ? value : Number(value);
}

/** The type as the library has it. */
export function typeOf(model: Model): CType<unknown> {
  switch (model.kind) {
    case "scalar":
      return SCALARS[model.scalar].type as CType<unknown>;
    case "bytes":
      return bytes(model.length) as CType<unknown>;
    case "array":
      return array(typeOf(model.element), model.length) as CType<unknown>;
    case "aligned":
      return aligned(model.align, typeOf(model.type));
    case "struct":
      return structOf(model) as CType<unknown>;
  }
}

/** The struct as the library has it. */
export function structOf({ fields, packed, spare }: StructModel) {
  const types = Object.fromEntries(fields.map(({ name, type }) => [name, typeOf(type)]));
  if (spare === 0) return struct("fuzzed", types, { packed });
  const plain = struct("fuzzed", types, { packed });
  return struct("fuzzed", types, { packed, size: plain.size + spare * plain.align });
}

/** The size and alignment that C gives a type, and where the fields of a struct begin. */
export function measure(model: Model): {
  size: number;
  align: number;
  offsets: Record<string, number>;
} {
  switch (model.kind) {
    case "scalar": {
      const { size } = SCALARS[model.scalar];
      return { size, align: size, offsets: {} };
    }
    case "bytes":
      return { size: model.length, align: 1, offsets: {} };
    case "array": {
      const { size, align } = measure(model.element);
      return { size: size * model.length, align, offsets: {} };
    }
    case "aligned": {
      const { size, align } = measure(model.type);
      return { size, align: align > model.align ? align : model.align, offsets: {} };
    }
    case "struct":
      return measureStruct(model);
  }
}

function measureStruct({ fields, packed, spare }: StructModel) {
  const offsets: Record<string, number> = {};
  let strictest = 1;
  let next = 0;
  for (const { name, type } of fields) {
    const { size, align } = measure(type);
    if (!packed) {
      while (next % align !== 0) next++;
      if (align > strictest) strictest = align;
    }
    offsets[name] = next;
    next += size;
  }
  while (next % strictest !== 0) next++;
  return { size: next + spare * strictest, align: strictest, offsets };
}

/** A scalar, or a stretch of bytes, in a type: where it is, and the way to it in a value. */
export interface Leaf {
  readonly model: Extract<Model, { kind: "scalar" | "bytes" }>;
  readonly at: number;
  readonly path: readonly (string | number)[];
}

/** All that a type consists of, without the padding between. */
export function leavesOf(model: Model, at = 0, path: Leaf["path"] = []): Leaf[] {
  switch (model.kind) {
    case "scalar":
    case "bytes":
      return [{ model, at, path }];
    case "aligned":
      return leavesOf(model.type, at, path);
    case "array": {
      const { size } = measure(model.element);
      return Array.from({ length: model.length }, (_, i) => i)
        .flatMap((i) => leavesOf(model.element, at + i * size, [...path, i]));
    }
    case "struct": {
      const { offsets } = measure(model);
      return model.fields
        .flatMap(({ name, type }) => leavesOf(type, at + offsets[name], [...path, name]));
    }
  }
}

/** A value's bytes as C has them, with zero in the padding. */
export function bytesOf(model: Model, value: unknown): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(measure(model).size);
  const view = new DataView(memory.buffer);
  for (const { model: leaf, at, path } of leavesOf(model)) {
    const part = lookUp(value, path);
    if (leaf.kind === "bytes") memory.set(part as Uint8Array, at);
    // What is one byte wide takes no notice of the third argument.
    else view[SCALARS[leaf.scalar].set](at, part as never, true);
  }
  return memory;
}

/** The part of a value that a path leads to. */
export function lookUp(value: unknown, path: Leaf["path"]): unknown {
  return path.reduce((whole, key) => (whole as Record<string | number, unknown>)[key], value);
}

/** A copy of a value in which the part that a path leads to is another one. */
export function replace(value: unknown, path: Leaf["path"], part: unknown): unknown {
  if (path.length === 0) return part;
  const [key, ...rest] = path;
  const copy = Array.isArray(value) ? [...value] : { ...(value as Record<string, unknown>) };
  const parts = copy as Record<string | number, unknown>;
  parts[key] = replace(parts[key], rest, part);
  return copy;
}

/** Names that fields can have in C, among them those that every object of JavaScript has. */
const names = fc.oneof(
  fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/),
  fc.constantFrom("constructor", "toString", "hasOwnProperty", "length", "size", "name"),
);

const scalars: fc.Arbitrary<Model> = fc
  .constantFrom(...Object.keys(SCALARS) as Scalar[])
  .map((scalar) => ({ kind: "scalar", scalar }));

const leaves: fc.Arbitrary<Model> = fc.oneof(
  { arbitrary: scalars, weight: 4 },
  {
    arbitrary: fc.record({ kind: fc.constant("bytes" as const), length: fc.nat(9) }),
    weight: 1,
  },
);

const { structs: arbitraryStructs } = fc.letrec<{ type: Model; structs: StructModel }>((tie) => ({
  type: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaves,
    fc.record({
      kind: fc.constant("aligned" as const),
      align: fc.constantFrom(1, 2, 4, 8, 16),
      type: leaves,
    }),
    fc.record({ kind: fc.constant("array" as const), element: leaves, length: fc.nat(3) }),
    fc.record({
      kind: fc.constant("array" as const),
      element: tie("structs") as fc.Arbitrary<Model>,
      length: fc.nat(3),
    }),
    tie("structs") as fc.Arbitrary<Model>,
  ),
  structs: fc.record({
    kind: fc.constant("struct" as const),
    fields: fc.uniqueArray(fc.record({ name: names, type: tie("type") }), {
      selector: ({ name }) => name,
      minLength: 1,
      maxLength: 6,
    }),
    packed: fc.boolean(),
    spare: fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, { arbitrary: fc.nat(3), weight: 1 }),
  }),
}));

/** Structs of all kinds, in one another. */
export const structs: fc.Arbitrary<StructModel> = arbitraryStructs;

/** The values that a type can have, the largest and the smallest more often than others. */
export function valuesOf(model: Model): fc.Arbitrary<unknown> {
  switch (model.kind) {
    case "scalar": {
      const [min, max] = limits(model.scalar);
      return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max))
        .map((value) => scalarValue(model.scalar, value));
    }
    case "bytes":
      return fc.uint8Array({ minLength: model.length, maxLength: model.length });
    case "array":
      return fc.array(valuesOf(model.element), {
        minLength: model.length,
        maxLength: model.length,
      });
    case "aligned":
      return valuesOf(model.type);
    case "struct":
      return fc.tuple(...model.fields.map(({ type }) => valuesOf(type)))
        .map((values) => Object.fromEntries(model.fields.map(({ name }, i) => [name, values[i]])));
  }
}

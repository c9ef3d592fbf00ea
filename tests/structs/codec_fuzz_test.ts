/**
 * The codec on structs and values made at random, against what C makes of them.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fc, testProperty } from "../support/property.ts";
import {
  bytesOf,
  type Leaf,
  leavesOf,
  limits,
  lookUp,
  measure,
  replace,
  SCALARS,
  scalarValue,
  type StructModel,
  structOf,
  structs,
  valuesOf,
} from "../support/struct_models.ts";

/** What every struct that is made at random decodes to. */
type AnyValues = Record<string, unknown>;

/** A struct, and values for all of its fields. */
const filled = structs.chain((model) =>
  fc.record({
    model: fc.constant(model),
    values: valuesOf(model) as fc.Arbitrary<AnyValues>,
  })
);

/** The same, and any one of its leaves that is wanted. */
function withLeaf(isWanted: (leaf: Leaf) => boolean = () => true) {
  return filled
    .filter(({ model }) => leavesOf(model).some(isWanted))
    .chain(({ model, values }) =>
      fc.record({
        model: fc.constant(model),
        values: fc.constant(values),
        leaf: fc.constantFrom(...leavesOf(model).filter(isWanted)),
      })
    );
}

testProperty("struct() lays out any struct as C does", structs, (model) => {
  const { size, align, offsets } = structOf(model);
  assertEquals({ size, align, offsets: { ...offsets } }, measure(model));
});

testProperty("Struct.encode() makes the bytes that C has", filled, ({ model, values }) => {
  assertEquals(structOf(model).encode(values), bytesOf(model, values));
});

testProperty("Struct.decode() gives back any values", filled, ({ model, values }) => {
  const type = structOf(model);
  assertEquals(type.decode(type.encode(values)), values);
});

testProperty(
  "Struct.decode() takes any bytes, and they encode to the same without the padding",
  structs.chain((model) => {
    const { size } = measure(model);
    const around = 3;
    return fc.record({
      model: fc.constant(model),
      // A part of a larger buffer, as often as not at an odd place.
      memory: fc.uint8Array({ minLength: size + around, maxLength: size + around }),
      start: fc.nat(around),
    });
  }),
  ({ model, memory, start }) => {
    const type = structOf(model);
    const before = memory.slice();
    const part = memory.subarray(start, start + type.size);
    const expected = new Uint8Array(type.size);
    for (const leaf of leavesOf(model)) {
      expected.set(part.subarray(leaf.at, leaf.at + sizeOf(leaf)), leaf.at);
    }
    const values = type.decode(part);
    assertEquals(memory, before);
    // The kernel can use the memory again: what was decoded stays as it is.
    memory.fill(0);
    assertEquals(type.encode(values), expected);
  },
);

testProperty(
  "Struct.encode() leaves zero what isn't given",
  filled.chain(({ model, values }) =>
    fc.record({
      model: fc.constant(model),
      values: fc.constant(values),
      given: fc.subarray(model.fields.map(({ name }) => name)),
    })
  ),
  ({ model, values, given }) => {
    const some = Object.fromEntries(given.map((name) => [name, values[name]]));
    const expected = bytesOf(model, values);
    for (const leaf of leavesOf(model)) {
      if (!given.includes(String(leaf.path[0]))) expected.fill(0, leaf.at, leaf.at + sizeOf(leaf));
    }
    assertEquals(structOf(model).encode(some), expected);
  },
);

testProperty(
  "Struct.decode() refuses every other number of bytes",
  fc.record({ model: structs, length: fc.nat(200) }),
  ({ model, length }) => {
    const type = structOf(model);
    fc.pre(length !== type.size);
    assertThrows(() => type.decode(new Uint8Array(length)), RangeError, `${type.size} bytes`);
  },
);

testProperty(
  "Struct.encode() refuses any one value that doesn't fit its type",
  withLeaf().chain(({ model, values, leaf }) =>
    fc.record({
      model: fc.constant(model),
      values: fc.constant(values),
      leaf: fc.constant(leaf),
      wrong: wrongFor(leaf),
    })
  ),
  ({ model, values, leaf, wrong }) => {
    const broken = replace(values, leaf.path, wrong) as AnyValues;
    const error = assertThrows(() => structOf(model).encode(broken), RangeError);
    assert(error.message.startsWith(`fuzzed.${leaf.path[0]}: `), error.message);
  },
);

testProperty(
  "Struct.encode() refuses an array of another length",
  fc.record({ part: withLeaf(isInArray), isLonger: fc.boolean() }),
  ({ part: { model, values, leaf: { path } }, isLonger }) => {
    const way = path.slice(0, path.findLastIndex(Number.isInteger));
    const array = lookUp(values, way) as unknown[];
    const other = isLonger ? [...array, array[0]] : array.slice(1);
    const broken = replace(values, way, other) as AnyValues;
    assertThrows(() => structOf(model).encode(broken), RangeError, "expected an array of");
  },
);

testProperty(
  "Struct.encode() refuses a field that isn't in the struct, however deep",
  withLeaf().chain(({ model, values, leaf }) =>
    fc.record({
      model: fc.constant(model),
      values: fc.constant(values),
      // A prefix of the way to a scalar leads to something that contains it.
      path: fc.nat(leaf.path.length - 1).map((depth) => leaf.path.slice(0, depth)),
      // The last are those that every object inherits.
      name: fc.oneof(fc.string(), fc.constantFrom("constructor", "toString", "hasOwnProperty")),
    })
  ),
  ({ model, values, path, name }) => {
    const part = lookUp(values, path) as Record<string, unknown>;
    fc.pre(!Array.isArray(part) && !Object.hasOwn(part, name));
    const more = Object.fromEntries([...Object.entries(part), [name, 0]]);
    const broken = replace(values, path, more) as AnyValues;
    assertThrows(() => structOf(model).encode(broken), TypeError, `has no field "${name}"`);
  },
);

testProperty(
  "Block.fields reads and writes any values at the places that C has them",
  fc.record({ filled, which: fc.nat(3), behind: fc.nat(3) }),
  ({ filled: { model, values }, which, behind }) => {
    const count = which + 1 + behind;
    const type = structOf(model);
    const { bytes, blocks } = type.allocateArray(count);
    const expected = new Uint8Array(type.size * count);
    expected.set(bytesOf(model, values), which * type.size);
    for (const { name } of model.fields) blocks[which].fields[name] = values[name];
    assertEquals(bytes, expected);
    assertEquals(fieldsOf(model, blocks[which].fields), values);
    // Any bytes, as the kernel would write them there.
    expected.fill(0xa5, which * type.size, (which + 1) * type.size);
    blocks[which].bytes.fill(0xa5);
    assertEquals(bytes, expected);
    const now = type.decode(bytes.subarray(which * type.size, (which + 1) * type.size));
    assertEquals(fieldsOf(model, blocks[which].fields), now);
  },
);

/** What accessors read, as plain values. */
function fieldsOf(model: StructModel, fields: AnyValues): AnyValues {
  return Object.fromEntries(model.fields.map(({ name }) => [name, fields[name]])) as AnyValues;
}

function isInArray({ path }: Leaf): boolean {
  return path.some(Number.isInteger);
}

function sizeOf({ model }: Leaf): number {
  return model.kind === "bytes" ? model.length : SCALARS[model.scalar].size;
}

/** Values that a scalar, or a stretch of bytes, can't have. */
function wrongFor({ model }: Leaf): fc.Arbitrary<unknown> {
  const noNumber = fc.constantFrom(
    undefined,
    null,
    true,
    "",
    "1",
    [],
    {},
    NaN,
    Infinity,
    -Infinity,
  );
  if (model.kind === "bytes") {
    const other = fc.uint8Array().filter(({ length }) => length !== model.length);
    return fc.oneof(noNumber, other, fc.constant(Array(model.length).fill(0)));
  }
  const [min, max] = limits(model.scalar);
  const outside = fc.oneof(
    fc.constantFrom(max + 1n, min - 1n),
    fc.bigInt({ min: max + 1n }),
    fc.bigInt({ max: min - 1n }),
  ).map((value) => scalarValue(model.scalar, value));
  const fraction = fc.double({ noInteger: true });
  // A number where it is to be a bigint, and the other way round.
  const ofOtherKind = SCALARS[model.scalar].size === 8 ? fc.constant(1) : fc.constant(1n);
  return fc.oneof(outside, outside, noNumber, fraction, ofOtherKind);
}

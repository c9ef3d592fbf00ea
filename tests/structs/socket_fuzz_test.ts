/**
 * Control messages made at random, as the macros of cmsg(3) lay them out, and garbage in their
 * place.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { controlSpace, decodeControl, encodeControl } from "../../structs/socket.ts";
import { fc, testProperty, unlessRefused } from "../support/property.ts";

/** The size of `struct cmsghdr`, which data follow. */
const HEAD = 16;

const INT = { min: -(2 ** 31), max: 2 ** 31 - 1 };

const messages = fc.array(
  fc.record({
    level: fc.integer(INT),
    type: fc.integer(INT),
    data: fc.uint8Array({ maxLength: 40 }),
  }, { noNullPrototype: true }),
  { maxLength: 5 },
);

testProperty(
  "encodeControl() lays out any messages as CMSG_NXTHDR finds them",
  messages,
  (messages) => {
    const expected: number[] = [];
    for (const { level, type, data } of messages) {
      const head = new DataView(new ArrayBuffer(HEAD));
      head.setBigUint64(0, BigInt(HEAD + data.length), true);
      head.setInt32(8, level, true);
      head.setInt32(12, type, true);
      expected.push(...new Uint8Array(head.buffer), ...data);
      while (expected.length % 8 !== 0) expected.push(0);
    }
    assertEquals([...encodeControl(messages)], expected);
    assertEquals(controlSpace(...messages.map(({ data }) => data.length)), expected.length);
  },
);

testProperty("decodeControl() gives back any messages", messages, (messages) => {
  assertEquals(decodeControl(encodeControl(messages)), messages);
});

testProperty(
  "decodeControl() gives back what there is of messages that are cut short",
  messages.chain((messages) =>
    fc.tuple(fc.constant(messages), fc.nat(encodeControl(messages).length))
  ),
  ([messages, length]) => {
    const whole = encodeControl(messages);
    let at = 0;
    const expected = messages.flatMap(({ level, type, data }) => {
      const begin = at + HEAD;
      at = begin + Math.ceil(data.length / 8) * 8;
      const left = data.slice(0, Math.max(0, length - begin));
      return begin <= length ? [{ level, type, data: left }] : [];
    });
    assertEquals(decodeControl(whole.subarray(0, length)), expected);
  },
);

testProperty(
  "decodeControl() refuses any message that is shorter than its own head",
  fc.tuple(messages, messages, fc.bigInt({ min: 0n, max: BigInt(HEAD) - 1n })),
  ([before, behind, length]) => {
    const buffer = encodeControl([
      ...before,
      { level: 1, type: 1, data: new Uint8Array() },
      ...behind,
    ]);
    const at = encodeControl(before).length;
    new DataView(buffer.buffer).setBigUint64(at, length, true);
    assertThrows(() => decodeControl(buffer), RangeError, `cmsghdr.cmsg_len: ${length} at ${at}`);
  },
);

testProperty(
  "decodeControl() takes garbage apart, or refuses it",
  fc.tuple(messages, fc.uint8Array({ maxLength: 40 }), fc.nat(80)),
  ([messages, garbage, at]) => {
    const buffer = [...encodeControl(messages)];
    buffer.splice(at, garbage.length, ...garbage);
    const parts = unlessRefused(() => decodeControl(Uint8Array.from(buffer)), RangeError) ?? [];
    const taken = parts.reduce((sum, { data }) => sum + HEAD + data.length, 0);
    assert(taken <= buffer.length, `${taken} of ${buffer.length} bytes`);
  },
);

/**
 * Strings and arrays of them in a block that is used again and again.
 *
 * @module
 */

import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { fromCString } from "../../structs/cstring.ts";
import { u64, word } from "../../structs/scalars.ts";
import { type CText, TextBlock } from "../../structs/text_block.ts";

/** Memory by its addresses, as a block asks for it. */
class Memory {
  readonly #blocks: { address: number; bytes: Uint8Array<ArrayBuffer> }[] = [];

  readonly addressOf = (bytes: Uint8Array<ArrayBuffer>): bigint => {
    const address = 2 ** 40 + this.#blocks.length * 2 ** 32;
    this.#blocks.push({ address, bytes });
    return BigInt(address);
  };

  get count(): number {
    return this.#blocks.length;
  }

  at(address: number): Uint8Array<ArrayBuffer> {
    const { address: start, bytes } = this.#blocks.findLast((block) => block.address <= address)!;
    return bytes.subarray(address - start);
  }

  textAt(address: number): string {
    return fromCString(this.at(address));
  }

  textsAt(address: number): string[] {
    assertEquals(address % word.align, 0);
    const texts: string[] = [];
    for (;; address += word.size) {
      const { buffer, byteOffset } = this.at(address);
      const pointer = Number(u64.read(new DataView(buffer), byteOffset));
      if (pointer === 0) return texts;
      texts.push(this.textAt(pointer));
    }
  }
}

function found(memory: Memory, text: CText, address: number): CText {
  return typeof text === "string" ? memory.textAt(address) : memory.textsAt(address);
}

const TEXTS: Readonly<Record<string, readonly CText[]>> = {
  "nothing": [],
  "an empty string": [""],
  "strings": ["a", "/bin/true", "ä€🦕"],
  "arrays": [[], [""], ["a", "bc", ""]],
  "both": ["/bin/sh", ["sh", "-c", "ä".repeat(1001)], "x", ["€".repeat(77), "b"]],
};

for (const [name, texts] of Object.entries(TEXTS)) {
  Deno.test(`TextBlock has ${name} where it says`, () => {
    const memory = new Memory();
    const block = new TextBlock(memory.addressOf);
    block.empty(texts);
    const addresses = texts.map((text) => block.put(text));
    assertEquals(texts.map((text, i) => found(memory, text, addresses[i])), texts);
  });
}

Deno.test("TextBlock takes new memory only when there is more than ever", () => {
  const memory = new Memory();
  const block = new TextBlock(memory.addressOf);
  for (const length of [100, 10, 100, 5000, 100, 5000]) {
    const texts = ["x".repeat(length), ["y".repeat(length)]];
    block.empty(texts);
    const addresses = texts.map((text) => block.put(text));
    assertEquals(texts.map((text, i) => found(memory, text, addresses[i])), texts);
  }
  assertEquals(memory.count, 2);
  assertGreaterOrEqual(memory.at(2 ** 40 + 2 ** 32).length, 10_000);
});

Deno.test("TextBlock keeps neither a text that nobody reads any more nor much memory", () => {
  const memory = new Memory();
  const block = new TextBlock(memory.addressOf);
  const put = (text: string): Uint8Array => {
    block.empty([text]);
    return memory.at(block.put(text));
  };
  const password = put("password");
  assertEquals(fromCString(password), "password");
  block.release();
  assertEquals(password.every((byte) => byte === 0), true);

  put("x".repeat(2 ** 20));
  block.release();
  assertEquals(put("small").length < 1000, true);
  assertEquals(memory.count, 3);
});

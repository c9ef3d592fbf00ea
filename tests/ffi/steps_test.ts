/**
 * The steps of a child: their numbers against the system's headers, and what they say of themselves.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import * as steps from "../../ffi/steps.ts";
import { evaluate, hasCompiler } from "../support/c_compiler.ts";
import { needing } from "../support/skip.ts";

/**
 * The header with the numbers of each architecture. That of x86-64 is on such machines alone; the
 * other is the one that all newer architectures share.
 */
const HEADERS = { x86_64: "asm/unistd_64.h", aarch64: "asm-generic/unistd.h" } as const;

for (const arch of new Set([Deno.build.arch as keyof typeof HEADERS, "aarch64" as const])) {
  Deno.test({
    ...needing(
      "a C compiler",
      hasCompiler,
      `the numbers of the calls on ${arch} are those of C`,
    ),
    async fn() {
      const numbers: Record<string, number> = steps.NUMBERS[arch];
      const questions = Object.keys(numbers).map((name) => {
        const macro = `__NR_${name}`;
        return [name, { expression: macro, macro }];
      });
      const inC = await evaluate(HEADERS[arch], "", Object.fromEntries(questions));
      // Older headers, and those for all, leave out the newest calls.
      assertGreater(Object.keys(inC).length, 15);
      const ours = Object.keys(inC).map((name) => [name, numbers[name]]);
      assertEquals(Object.fromEntries(ours), inC);
    },
  });
}

Deno.test({
  ...needing("a C compiler", hasCompiler, "the numbers of the limits are those of C"),
  async fn() {
    const questions = Object.keys(steps.RLIMITS).map((name) => [name, {
      expression: `RLIMIT_${name.toUpperCase()}`,
    }]);
    const inC = await evaluate("sys/resource.h", "", Object.fromEntries(questions));
    assertEquals(steps.RLIMITS, inC as typeof steps.RLIMITS);
  },
});

Deno.test("setgroups() goes on without the right to if it is optional", () => {
  assertEquals(steps.setgroups([], { isOptional: true }).passes, "any");
  assertEquals(steps.setgroups([]).passes, undefined);
});

Deno.test("closeRange() closes one by one what is open in its range", () => {
  const { instead } = steps.closeRange(3, 9, () => [0, 2, 3, 7, 9, 10]);
  assertEquals(instead!().map(({ call, args }) => [call, ...args]), [
    ["close", 3],
    ["close", 7],
    ["close", 9],
  ]);
});

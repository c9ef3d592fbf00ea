/**
 * Every struct of the library against a table, and against the system's own headers where a C
 * compiler can read them.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { evaluate, hasCompiler, type Question } from "../support/c_compiler.ts";
import { type Layout, LAYOUTS } from "../support/layouts.ts";
import { needing } from "../support/skip.ts";
import { exportsOfStructs } from "../support/structs.ts";

for (const [name, { type, size, align, offsets, arch }] of Object.entries(LAYOUTS)) {
  Deno.test(`${name} is laid out as on ${arch ?? "both architectures"}`, () => {
    assertEquals(
      { size: type.size, align: type.align, offsets: { ...type.offsets } },
      { size, align, offsets },
    );
  });
}

Deno.test("LAYOUTS has every struct of the library", async () => {
  const structs = (await exportsOfStructs()).flatMap(([name, value]) => {
    if (isStruct(value)) return [name];
    // Those that differ by architecture.
    return Object.entries(Object(value))
      .filter(([, part]) => isStruct(part))
      .map(([arch]) => `${name}.${arch}`);
  });
  assertEquals(structs.sort(), Object.keys(LAYOUTS).sort());
});

function isStruct(value: unknown): boolean {
  return typeof value === "object" && value !== null && "offsets" in value;
}

/** What C says of a struct, in bytes. */
function measure(layout: Layout): Promise<Record<string, number>> {
  const { type, c, header, declaration = "", members = {}, macros } = layout;
  const questions: Record<string, Question> = {
    sizeof: { expression: `sizeof(${c})`, macro: macros?.whole },
    alignof: { expression: `_Alignof(${c})`, macro: macros?.whole },
  };
  for (const name of Object.keys(type.offsets)) {
    const member = members[name] === undefined ? name : members[name];
    if (member === null) continue;
    const macro = macros?.fields[name] ?? macros?.whole;
    questions[name] = { expression: `offsetof(${c}, ${member})`, macro };
  }
  return evaluate(header, declaration, questions);
}

/** Why C can't be asked about a struct, if it can't. */
function obstacle({ type, arch, macros }: Layout, size: number | undefined): string | undefined {
  if (arch !== undefined && arch !== Deno.build.arch) return `this is ${Deno.build.arch}`;
  if (macros === undefined) return undefined;
  if (size === undefined) return "the header doesn't have it";
  return size === type.size ? undefined : `the header has one of ${size} bytes`;
}

Deno.test({
  ...needing("a C compiler", hasCompiler, "structs are laid out as C has them"),
  async fn(t) {
    for (const [name, layout] of Object.entries(LAYOUTS)) {
      const inC = await measure(layout);
      const why = obstacle(layout, inC.sizeof);
      await t.step({
        name: why === undefined ? name : `${name} (skipped: ${why})`,
        ignore: why !== undefined,
        fn() {
          const { size, align, offsets } = layout.type;
          const ours: Record<string, number> = { sizeof: size, alignof: align, ...offsets };
          assertEquals(inC, Object.fromEntries(Object.keys(inC).map((key) => [key, ours[key]])));
        },
      });
    }
  },
});

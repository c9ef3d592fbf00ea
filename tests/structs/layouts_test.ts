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
    sizeof: { expression: macros?.size ?? `sizeof(${c})`, macro: macros?.size },
    alignof: { expression: `_Alignof(${c})`, macro: macros?.size },
  };
  for (const name of Object.keys(type.offsets)) {
    const member = members[name] === undefined ? name : members[name];
    if (member === null) continue;
    questions[name] = {
      expression: `offsetof(${c}, ${member})`,
      macro: macros?.fields[name] ?? macros?.size,
      unless: macros?.moved?.[name],
    };
  }
  return evaluate(header, declaration, questions);
}

Deno.test({
  ...needing("a C compiler", hasCompiler, "structs are laid out as C has them"),
  async fn(t) {
    for (const [name, layout] of Object.entries(LAYOUTS)) {
      // What another architecture has, only a compiler for that one can tell.
      if ((layout.arch ?? Deno.build.arch) !== Deno.build.arch) continue;
      const inC = await measure(layout);
      await t.step({
        ...needing(`a newer <${layout.header}>`, inC.sizeof !== undefined, name),
        fn() {
          const { size, align, offsets } = layout.type;
          const ours: Record<string, number> = { sizeof: size, alignof: align, ...offsets };
          assertEquals(inC, Object.fromEntries(Object.keys(inC).map((key) => [key, ours[key]])));
        },
      });
    }
  },
});

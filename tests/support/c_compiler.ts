/**
 * What the system's C headers say, asked through a C compiler; and programs in C.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { canRun } from "./skip.ts";

/** Whether there is a C compiler, with libc's headers. */
export const hasCompiler: boolean = canRun("cc", [
  ...["-x", "c", "-fsyntax-only"],
  ...["-include", "errno.h", "/dev/null"],
]);

/** What to ask C. */
export interface Question {
  /** An integer expression. */
  readonly expression: string;
  /** The macro without which there is no answer. */
  readonly macro?: string;
  /** The macro with which the answer is another one. */
  readonly unless?: string;
}

/**
 * The values of expressions. Those without an answer are left out.
 *
 * @param header Where they get their meaning from. It may be missing if all depend on macros.
 * @param declarations What is in no header.
 */
export async function evaluate(
  header: string,
  declarations: string,
  questions: Readonly<Record<string, Question>>,
): Promise<Record<string, number>> {
  const prints = Object.entries(questions).map(([name, { expression, macro, unless }]) => {
    const print = `printf("%s=%lld\\n", ${JSON.stringify(name)}, (long long)(${expression}));`;
    const conditions = [
      ...macro === undefined ? [] : [`defined(${macro})`],
      ...unless === undefined ? [] : [`!defined(${unless})`],
    ];
    return conditions.length === 0 ? print : `#if ${conditions.join(" && ")}\n${print}\n#endif`;
  });
  const program = `
    #define _GNU_SOURCE
    #include <stddef.h>
    #include <stdio.h>
    #if __has_include(<${header}>)
    #include <${header}>
    #endif
    ${declarations}
    int main(void) {
    ${prints.join("\n")}
    }
  `;
  const folder = await Deno.makeTempDir();
  try {
    await compile(program, `${folder}/program`);
    const output = await run(`${folder}/program`);
    return Object.fromEntries(
      [...output.matchAll(/^(.*)=(.*)$/gm)].map(([, name, value]) => [name, Number(value)]),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The macros of a header that stand for plain numbers. */
export async function numericMacros(header: string): Promise<Map<string, number>> {
  const args = ["-x", "c", "-D_GNU_SOURCE", "-E", "-dM", "-"];
  const text = await run("cc", args, `#include <${header}>\n`);
  return new Map(
    [...text.matchAll(/^#define (\w+) (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}

/** Makes a program. */
export async function compile(program: string, path: string): Promise<void> {
  await run("cc", ["-x", "c", "-o", path, "-"], program);
}

/** Runs a command with some input, and returns its output. */
async function run(command: string, args: string[] = [], input = ""): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await output;
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/**
 * The launcher's machine code against an assembler: the bytes are the listing's instructions, and
 * the offsets in them are those of the structs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Arch } from "../../ffi/libc.ts";
import { LISTINGS, machineCode } from "../../ffi/machine_code.ts";
import type { Fields, Struct } from "../../structs/codec.ts";
import { job, outcome, step } from "../../structs/launch.ts";
import { canRun, needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

const STRUCTS: Readonly<Record<string, Struct<Fields>>> = { job, outcome, step };

interface Toolchain {
  readonly prefixes: readonly string[];
  /** What has to be said before the first instruction. */
  readonly syntax: string;
}

const TOOLCHAINS: Readonly<Record<Arch, Toolchain>> = {
  x86_64: { prefixes: prefixesFor("x86_64"), syntax: ".intel_syntax noprefix" },
  aarch64: { prefixes: prefixesFor("aarch64"), syntax: "" },
};

/** What the names of an architecture's tools begin with: nothing for those of this machine. */
function prefixesFor(arch: Arch): string[] {
  const own = Deno.build.arch === arch ? [""] : [];
  return [...own, `${arch}-linux-gnu-`, `${arch.replace("_", "-")}-linux-gnu-`];
}

/** The listing as an assembler takes it, with numbers for the structs' fields. */
function source(arch: Arch): string {
  const lines = LISTINGS[arch].map(([, assembly]) =>
    assembly.replace(/\b(job|outcome|step)\.(\w+)/g, (_, name, field) => {
      const { size, offsets } = STRUCTS[name];
      return String(field === "size" ? size : offsets[field]);
    })
  );
  return [TOOLCHAINS[arch].syntax, ...lines, ""].join("\n");
}

function runTool(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals({ success, stderr: text(stderr) }, { success: true, stderr: "" });
  return text(stdout);
}

/** The bytes of each instruction, as the assembler's own listing of its work has them. */
function assemble(prefix: string, arch: Arch): { whole: Uint8Array; lines: string[] } {
  using folder = new Folder();
  const [file, object, binary] = ["code.s", "code.o", "code.bin"].map((name) => folder.at(name));
  Deno.writeTextFileSync(file, source(arch));
  const listing = runTool(`${prefix}as`, "-aln", "--listing-lhs-width=4", "-o", object, file);
  runTool(`${prefix}objcopy`, "-O", "binary", "-j", ".text", object, binary);
  const bytes = new Map(
    [...listing.matchAll(/^ *(\d+) [0-9a-f]{4} ([0-9A-F]+(?: [0-9A-F]+)*)/gm)]
      .map(([, line, bytes]) => [Number(line), bytes.replaceAll(" ", "").toLowerCase()]),
  );
  // The first line is the syntax.
  const lines = LISTINGS[arch].map((_, i) => bytes.get(i + 2) ?? "");
  return { whole: Deno.readFileSync(binary), lines };
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const prefix = TOOLCHAINS[arch].prefixes.find((prefix) => canRun(`${prefix}as`, ["--version"]));
  Deno.test({
    ...needing(
      `an assembler for ${arch}: ${prefixesFor(arch).at(-1)}as`,
      prefix !== undefined,
      `the machine code for ${arch} is its listing, assembled`,
    ),
    fn() {
      const { whole, lines } = assemble(prefix!, arch);
      // Line for line first, so that a difference says where it is.
      assertEquals(
        LISTINGS[arch].map(([bytes, text], i) => [text, bytes === lines[i] || lines[i]]),
        LISTINGS[arch].map(([, text]) => [text, true]),
      );
      assertEquals(machineCode(arch), whole);
    },
  });
}

Deno.test("the machine code has the fields side by side that it reads two at a time", () => {
  assertEquals(step.offsets.most, step.offsets.least + 8);
  assertEquals(outcome.offsets, { result: 0, step: 8, heir: 16 });
});

Deno.test("each line of a listing is an instruction with its bytes, or a label without", () => {
  for (const listing of Object.values(LISTINGS)) {
    for (const [bytes, assembly] of listing) {
      assertEquals(/^([0-9a-f]{2})+$/.test(bytes), !/^\w+:$/.test(assembly), assembly);
    }
  }
});

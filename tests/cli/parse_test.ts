/**
 * How the command line is read.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { HelpWanted, type Option, UsageError } from "../../cli/command.ts";
import { parse } from "../../cli/parse.ts";

const OPTIONS: readonly Option[] = [
  { name: "timeout", short: "t", value: "D", help: "" },
  { name: "signal", short: "s", value: "SIGNAL", help: "" },
  { name: "quiet", short: "q", help: "" },
  { name: "verbose", short: "v", help: "" },
  { name: "report", value: "json", isOptional: true, help: "" },
];

function read(line: string, runsAnother = false): unknown {
  const args = line === "" ? [] : line.split(" ");
  const given = parse(args, { options: OPTIONS, runsAnother });
  const values = OPTIONS.filter(({ name }) => given.has(name))
    .map(({ name }) => [name, given.all(name)]);
  return [Object.fromEntries(values), given.positionals.join(" ")];
}

const READ: Record<string, [object, string]> = {
  "": [{}, ""],
  "1 --quiet 2 -s INT": [{ quiet: [""], signal: ["INT"] }, "1 2"],
  "-sINT -qv": [{ signal: ["INT"], quiet: [""], verbose: [""] }, ""],
  "-qvt5 x": [{ quiet: [""], verbose: [""], timeout: ["5"] }, "x"],
  "-qt 5 x": [{ quiet: [""], timeout: ["5"] }, "x"],
  "--timeout=a=b": [{ timeout: ["a=b"] }, ""],
  "--timeout= x": [{ timeout: [""] }, "x"],
  "--timeout -5": [{ timeout: ["-5"] }, ""],
  "-t 1 -t 2": [{ timeout: ["1", "2"] }, ""],
  "--report x": [{ report: [""] }, "x"],
  "--report=json x": [{ report: ["json"] }, "x"],
  "- -q": [{ quiet: [""] }, "-"],
  "1 -- --quiet -h": [{}, "1 --quiet -h"],
};

for (const [line, expected] of Object.entries(READ)) {
  Deno.test(`parse() reads ${JSON.stringify(line)}`, () => assertEquals(read(line), expected));
}

const BEHIND: Record<string, string> = {
  "sh --quiet": "sh --quiet",
  "--timeout 3s sh --quiet": "sh --quiet",
  "-sINT sh -h": "sh -h",
  "--timeout=3s -- sh -- x": "sh -- x",
  "-- --quiet": "--quiet",
  "--quiet sh -- x": "sh -- x",
  "--quiet - x": "- x",
  "--report sh": "sh",
  "--": "",
};

for (const [line, rest] of Object.entries(BEHIND)) {
  Deno.test(`parse() leaves what is another command's in ${JSON.stringify(line)}`, () => {
    assertEquals((read(line, true) as unknown[])[1], rest);
  });
}

Deno.test("parse() notices that help is wanted", () => {
  for (const line of ["1 --help", "1 -h", "-qh"]) assertThrows(() => read(line), HelpWanted);
});

const REFUSED: Record<string, string> = {
  "--nonsense": "unknown option '--nonsense'",
  "--timout=3s": "unknown option '--timout': did you mean --timeout?",
  "--QUIET": "unknown option '--QUIET': did you mean --quiet?",
  "--r": "unknown option '--r': did you mean --report?",
  "-x": "unknown option '-x'",
  "-qx": "unknown option '-x'",
  "-ü": "unknown option '-ü'",
  "--timeout": "'--timeout' needs a value, D",
  "--timeout -- x": "'--timeout' needs a value, D",
  "-qt": "'-t' needs a value, D",
  "--quiet=yes": "--quiet takes no value: yes",
  "---": "unknown option '---'",
};

for (const [line, message] of Object.entries(REFUSED)) {
  Deno.test(`parse() refuses ${line}, and says why`, () => {
    assertEquals(assertThrows(() => read(line), UsageError).message, message);
  });
}

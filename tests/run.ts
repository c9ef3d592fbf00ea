/**
 * Runs all tests, or those named as arguments: `deno task test [FILE…] [-- OPTION…]`.
 *
 * The tests import `@std` from JSR. Where that can't be reached they run all the same, on the
 * stand-ins in tests/std.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);
const STAND_INS = "tests/std/import_map.json";

async function deno(args: string[], quiet = false): Promise<number> {
  const stdio = quiet ? "null" : "inherit";
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: stdio,
    stderr: stdio,
  });
  return (await command.output()).code;
}

const options = [
  "--allow-all",
  "--sanitize-ops",
  "--sanitize-resources",
  "--preload=tests/preload.ts",
  // Some tests ask for a garbage collection.
  "--v8-flags=--expose-gc",
];
if (await deno(["cache", "tests/std/probe.ts"], true) !== 0) {
  console.log(`JSR can't be reached: the tests use ${STAND_INS} in place of @std.`);
  options.push(`--import-map=${STAND_INS}`);
}

const separator = Deno.args.indexOf("--");
const files = separator < 0 ? Deno.args : Deno.args.slice(0, separator);
const extra = separator < 0 ? [] : Deno.args.slice(separator + 1);
const targets = files.length > 0
  ? files
  : ["--doc", "README.md", "mod.ts", "ffi/", "pidfd/", "structs/", "process/", "ipc/", "tests/"];
Deno.exit(await deno(["test", ...options, ...extra, ...targets]));

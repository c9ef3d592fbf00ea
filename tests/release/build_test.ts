/**
 * The package that is published: what users import is one file, and nothing else is different.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
import { build } from "../../release/build.ts";
import { isAbsolute, targetsOf } from "../../release/links.ts";
import { ROOT, runProgram } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** Runs Deno, and returns what it printed. */
async function deno(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const command = new Deno.Command(Deno.execPath(), { args, env, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function canBundle(): Promise<boolean> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  const { code } = await deno("bundle", "--quiet", `--output=${file}.js`, file);
  await Deno.remove(file);
  if (code === 0) await Deno.remove(`${file}.js`);
  return code === 0;
}

const canBuild = await canBundle();

/** Registers a test of the package, which gets it in a folder of its own. */
function test(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test(needing("esbuild from npm", canBuild, name), async () => {
    const folder = toFileUrl(`${await Deno.makeTempDir()}/`);
    try {
      await build(folder);
      await run(fromFileUrl(folder));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

test("The package works as its sources do, from one file", async (folder) => {
  const { stdout, stderr } = await runProgram(
    `
    import { PidFd, spawn, SyscallError } from "${folder}mod.js";
    const child = spawn("sh", ["-c", "exit 7"]);
    console.log((await child.status).code, PidFd.name, SyscallError.name);
    try {
      PidFd.fromPid(2 ** 30);
    } catch ({ stack }) {
      console.log(stack);
    }
  `,
    { flags: ["--allow-ffi"] },
  );
  assertEquals(stderr, "");
  assertMatch(stdout, /^7 PidFd SyscallError\n/);
  // A stack trace leads to the sources.
  assert(stdout.includes(`${folder}pidfd/open.ts:`), stdout);
});

test("The package's command works", async (folder) => {
  const args = ["run", "--allow-ffi", `${folder}cli.js`, "--version"];
  const [built, source] = await Promise.all([
    deno(...args),
    deno(...args.with(2, `${ROOT}cli.ts`)),
  ]);
  assertEquals(built, source);
  assertEquals(built.code, 0);
});

/** What the documentation of an entry consists of: each symbol's name and text. */
async function documentation(path: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await deno("doc", "--json", path);
  return Object.values(JSON.parse(stdout).nodes).flatMap((module) => {
    const { symbols } = module as { symbols: Record<string, unknown>[] };
    return symbols.map(({ name, jsDoc }) => ({ name, jsDoc }));
  });
}

test("The package has the types and the documentation of its sources", async (folder) => {
  for (const entry of ["mod", "cli"]) {
    const built = await documentation(`${folder}${entry}.js`);
    assertEquals(built, await documentation(`${ROOT}${entry}.ts`));
    if (entry === "mod") assert(built.some(({ name }) => name === "PidFd"));
  }
  const program = `${folder}program.ts`;
  const wrong =
    'import { PidFd } from "./mod.js";\nconst wrong: string = PidFd.fromSelf().getPid();\n';
  await Deno.writeTextFile(program, wrong);
  const { code, stderr } = await deno("check", "--no-config", program);
  assertEquals(code, 1);
  assertMatch(stderr, /Type 'number' is not assignable to type 'string'/);
  assertMatch(stderr, /program\.ts:2/);
});

test("The package's documents have no relative links", async (folder) => {
  for (const name of ["README.md", "SECURITY.md", "CHANGELOG.md"]) {
    const targets = targetsOf(await Deno.readTextFile(`${folder}${name}`));
    assertEquals(targets.filter((target) => !isAbsolute(target)), [], name);
  }
});

test("The package can be published, with the files that it needs", async (folder) => {
  const { code, stderr } = await deno(
    ...["publish", "--dry-run", "--allow-dirty", "--no-check=remote"],
    `--config=${folder}deno.json`,
  );
  assertEquals(code, 0, stderr);
  for (const path of ["mod.js", "mod.js.map", "mod.ts", "cli.js", "README.md", "LICENSE"]) {
    assert(stderr.includes(`/${path} (`), path);
  }
});

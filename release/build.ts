/**
 * Makes the package that is published, in `dist/`: `deno task build`.
 *
 * The package has the sources, and beside `mod.ts` a `mod.js` that holds all of them: one file loads in a
 * third of the time that a hundred take. Programs import that. Its types and its documentation are those of `mod.ts`,
 * and its source map leads to the sources, so that a stack trace names their lines. The same goes for `cli.ts`.
 *
 * The links of its documents are absolute: see links.ts.
 *
 * `deno bundle` gets esbuild from npm. Nothing else is needed, and nothing of it is committed.
 *
 * @module
 */

import { withAbsoluteLinks } from "./links.ts";

const ROOT = new URL("../", import.meta.url);

/** What is run or imported, by the names in `exports`. */
const ENTRIES = { ".": "mod", "./cli": "cli" };

/** What deno.json says that matters here. */
interface Config {
  readonly publish: { readonly include: readonly string[] };
  readonly version: string;
  readonly [key: string]: unknown;
}

/** Makes the package in a folder, in place of what is there. */
export async function build(folder: URL): Promise<void> {
  const { publish, name, version, license } = await readConfig();
  await Deno.remove(folder, { recursive: true }).catch(unlessMissing);
  await Deno.mkdir(folder, { recursive: true });
  for (const path of publish.include) await copy(new URL(path, ROOT), new URL(path, folder));
  for (const path of publish.include.filter((path) => path.endsWith(".md"))) {
    const copied = new URL(path, folder);
    await Deno.writeTextFile(copied, withAbsoluteLinks(await Deno.readTextFile(copied), version));
  }
  const exports = Object.entries(ENTRIES).map(([name, entry]) => [name, `./${entry}.js`]);
  const config = { name, version, license, exports: Object.fromEntries(exports) };
  await Deno.writeTextFile(new URL("deno.json", folder), `${JSON.stringify(config, null, 2)}\n`);
  for (const entry of Object.values(ENTRIES)) await bundle(entry, folder);
}

async function readConfig(): Promise<Config> {
  return JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
}

async function copy(from: URL, to: URL): Promise<void> {
  if (!from.pathname.endsWith("/")) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const path = isDirectory ? `${name}/` : name;
    await copy(new URL(path, from), new URL(path, to));
  }
}

/** Makes one file of an entry and all that it imports, from the copies. */
async function bundle(entry: string, folder: URL): Promise<void> {
  const output = new URL(`${entry}.js`, folder);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    // A class keeps the name that it prints.
    args: [
      "bundle",
      "--quiet",
      "--keep-names",
      "--sourcemap=linked",
      `--output=${output.pathname}`,
      `${entry}.ts`,
    ],
    cwd: folder,
  }).output();
  if (!success) throw new Error(`deno bundle ${entry}.ts: ${new TextDecoder().decode(stderr)}`);
  const code = await Deno.readTextFile(output);
  // In front of what else begins a line: the source map counts lines.
  await Deno.writeTextFile(output, code.replace(/^/, `/* @ts-self-types="./${entry}.ts" */ `));
  const map = new URL(`${entry}.js.map`, folder);
  const { sourcesContent: _, ...rest } = JSON.parse(await Deno.readTextFile(map));
  await Deno.writeTextFile(map, JSON.stringify(rest));
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

if (import.meta.main) await build(new URL("dist/", ROOT));

/**
 * The Deno that runs in the machines: this one, or its counterpart for another architecture.
 *
 * @module
 */

import type { Architecture } from "./machines.ts";
import { cached, inTemporaryFolder, run } from "./tools.ts";

const NAMES = { amd64: "x86_64", arm64: "aarch64" } as const;
const NPM_PACKAGES = {
  amd64: "@deno/linux-x64-glibc",
  arm64: "@deno/linux-arm64-glibc",
} as const;

/** The path of a Deno for an architecture, fetched from npm if it isn't this one's. */
export async function denoFor(architecture: Architecture, cache: string): Promise<string> {
  if (NAMES[architecture] === Deno.build.arch) return Deno.execPath();
  return await cached(`${cache}/deno-${architecture}`, async (unfinished) => {
    await inTemporaryFolder(async (folder) => {
      // Not every version is there for every architecture: the newest of this one's kind.
      const [major] = Deno.version.deno.split(".");
      const name = `${NPM_PACKAGES[architecture]}@^${major}`;
      const archive = await run("npm", ["pack", "--silent", "--pack-destination", folder, name]);
      await run("tar", ["--extract", "--file", `${folder}/${archive.trim()}`], { cwd: folder });
      await Deno.copyFile(`${folder}/package/deno`, unfinished);
      await Deno.chmod(unfinished, 0o755);
    });
  });
}

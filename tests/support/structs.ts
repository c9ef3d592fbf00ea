/**
 * What the files of structs/ export, so that a test can see whether it has missed some of it.
 *
 * @module
 */

const FOLDER = new URL("../../structs/", import.meta.url);

/** The names and values of all exports. */
export async function exportsOfStructs(): Promise<[string, unknown][]> {
  const found: [string, unknown][] = [];
  for (const { name } of Deno.readDirSync(FOLDER)) {
    found.push(...Object.entries(await import(new URL(name, FOLDER).href)));
  }
  return found;
}

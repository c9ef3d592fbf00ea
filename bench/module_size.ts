/**
 * How much a program downloads with the module.
 *
 * @module
 */

export interface ModuleSize {
  readonly files: number;
  readonly bytes: number;
}

/** All files that `mod.ts` brings with it. */
export async function measureModule(): Promise<ModuleSize> {
  const entry = new URL("../mod.ts", import.meta.url).href;
  const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", entry] });
  const { success, stdout } = await command.output();
  if (!success) throw new Error("deno info failed");
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { size: number }[];
  };
  return { files: modules.length, bytes: modules.reduce((sum, { size }) => sum + size, 0) };
}

/**
 * Contained children for tests, by either means.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { features, type SpawnOptions } from "../../mod.ts";
import { ownCgroups } from "../../process/containment.ts";
import { CGROUPS, OWN_CGROUP } from "./cgroups.ts";
import type { Runaway } from "./escapes.ts";
import { eventually, PATIENCE, ROOT } from "./processes.ts";
import { without } from "./shadow.ts";
import { needing } from "./skip.ts";
import { Mark, startTree, type Tree } from "./trees.ts";

/** By what a child is contained. */
export type Means = "cgroup" | "mark";

/** How contained children of tests are ended: some of what they start never listens. */
export const END = { grace: 200 };

/** A program's code that has it use marks, whatever it may. */
export const BY_MARKS = `
  import { ownCgroups } from "${ROOT}process/containment.ts";
  Object.defineProperty(ownCgroups, "available", { value: false });
`;

/** The folders that a program's containment has made, and that are still there. */
export function folders(program = Deno.pid): string[] {
  if (OWN_CGROUP === null) return [];
  return [...Deno.readDirSync(OWN_CGROUP)].map(({ name }) => name)
    .filter((name) => name.startsWith(`pidfd-${program}-`));
}

/** Removes such a folder, once nobody is in it: what a program left that was killed. */
export async function removeFolder(name: string): Promise<void> {
  const events = () => Deno.readTextFileSync(`${OWN_CGROUP}/${name}/cgroup.events`);
  await eventually("the cgroup is empty", () => events().includes("populated 0"));
  Deno.removeSync(`${OWN_CGROUP}/${name}`);
}

/** A shell's command that starts a runaway as a daemon, which prints a line. */
export function daemon({ command }: Runaway): string {
  return `setsid sh -c 'echo; exec ${command}' & `;
}

/** Starts a contained shell's command, and waits for its first line. */
export async function contain(
  mark: Mark,
  script: string,
  options: SpawnOptions = {},
): Promise<Tree> {
  const tree = startTree(mark, script, [], { contain: true, end: END, ...options });
  await tree.lines(1);
  return tree;
}

/** Disposes of its root. */
export function dispose({ child }: Tree): Promise<void> {
  return deadline(child[Symbol.asyncDispose](), PATIENCE);
}

/** Registers a test for each means. */
export function test(
  name: string,
  fn: (mark: Mark, means: Means) => Promise<void>,
  need = { what: "a supported system", isThere: true },
): void {
  for (const means of ["cgroup", "mark"] as const) {
    const { what, isThere } = need.isThere && means === "cgroup"
      ? { what: CGROUPS, isThere: ownCgroups.available }
      : need;
    Deno.test({
      ...needing(what, isThere, `${name} (by a ${means})`),
      async fn() {
        using _ = means === "mark" ? without(ownCgroups) : undefined;
        assertEquals(features().containment, means);
        await using mark = new Mark();
        await fn(mark, means);
        assertEquals(folders(), []);
      },
    });
  }
}

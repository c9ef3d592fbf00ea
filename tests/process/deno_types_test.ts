/**
 * That Deno's types and ours fit together. The compiler does the testing, before any test runs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  type Child,
  type ChildOutput,
  type ExitStatus,
  spawn,
  type spawnAndWait,
  type spawnAndWaitSync,
  type SpawnOptions,
} from "../../mod.ts";

/** A mistake unless everything that is the one is the other, too. */
type Assignable<One extends Other, Other> = [One, Other];

type _Tests = [
  Assignable<Child, Deno.ChildProcess>,
  Assignable<ChildOutput, Deno.CommandOutput>,
  Assignable<ExitStatus, Deno.CommandStatus>,
  Assignable<Deno.CommandOptions, SpawnOptions>,
  Assignable<typeof spawn, typeof Deno.spawn>,
  Assignable<typeof spawnAndWait, typeof Deno.spawnAndWait>,
  Assignable<typeof spawnAndWaitSync, typeof Deno.spawnAndWaitSync>,
];

/** What can be written to a child of either. */
type Chunk<C extends { stdin: WritableStream }> = C extends { stdin: WritableStream<infer W> } ? W
  : never;

type _Chunks = [
  Assignable<Chunk<Deno.ChildProcess>, Chunk<Child>>,
  Assignable<Uint8Array, Chunk<Child>>,
];

/** Written for Deno.Command, with its options. */
async function converse(
  start: (command: string, options: Deno.CommandOptions) => Deno.ChildProcess,
): Promise<string> {
  const child = start("cat", { stdin: "piped", stdout: "piped" });
  const writer = child.stdin.getWriter();
  const bytes: Uint8Array<ArrayBufferLike> = new Uint8Array([104, 105]);
  await writer.write(bytes);
  await writer.close();
  const { stdout }: Deno.CommandOutput = await child.output();
  return new TextDecoder().decode(stdout);
}

Deno.test("spawn() can be handed to code that was written for Deno.spawn", async () => {
  assertEquals(await converse(Deno.spawn), "hi");
  assertEquals(await converse(spawn), "hi");
});

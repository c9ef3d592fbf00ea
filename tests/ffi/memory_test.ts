/**
 * Memory for much at a time, and what the kernel was told of it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { addressOf } from "../../ffi/libc.ts";
import { memoryFor } from "../../ffi/memory.ts";
import { spawnAndWait } from "../../mod.ts";
import { runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

const MIB = 2 ** 20;

/** Whether huge pages were asked for at an address: "hg" among its mapping's flags. proc_pid_smaps(5) */
function isAdvised(address: bigint): boolean {
  const maps = Deno.readTextFileSync("/proc/self/smaps").matchAll(
    /^([0-9a-f]+)-([0-9a-f]+) [^]*?^VmFlags:(.*)$/gm,
  );
  const map = maps.find(([, first, end]) =>
    BigInt(`0x${first}`) <= address && address < BigInt(`0x${end}`)
  );
  assert(map !== undefined);
  return map[3].includes(" hg");
}

function hasHugePages(): boolean {
  try {
    return Deno.statSync("/sys/kernel/mm/transparent_hugepage").isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  ...needing(
    "huge pages",
    hasHugePages(),
    "memoryFor() asks for huge pages for much",
  ),
  fn() {
    const much = memoryFor(64 * MIB);
    assertEquals([much.length, much.byteOffset, much.buffer.byteLength], [64 * MIB, 0, 64 * MIB]);
    assertEquals(isAdvised(addressOf(much) + BigInt(32 * MIB)), true);
  },
});

Deno.test("memoryFor() gives memory in any amount", () => {
  for (const length of [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 33 * MIB]) {
    const bytes = memoryFor(length);
    assertEquals(bytes.length, length);
    assertEquals(bytes.every((byte) => byte === 0), true);
    bytes.fill(1);
  }
});

Deno.test("the output of a child is whole, however much it is", async () => {
  const lines = 3_000_000;
  const { stdout } = await spawnAndWait("seq", [`${lines}`]);
  // As many digits as all numbers have, and a newline for each.
  const digits = Array.from(`${lines}`, (_, i) => lines - 10 ** i + 1).reduce((a, b) => a + b, 0);
  assertEquals(stdout.length, digits + lines);
  assertEquals(new TextDecoder().decode(stdout.subarray(-16)), "2999999\n3000000\n");
});

Deno.test("memoryFor() works without a permission that was there before", async () => {
  const length = await runForValue(`
    import { spawnAndWait } from "@pidfd/util";
    const output = spawnAndWait("head", ["-c", "20000000", "/dev/zero"]);
    Deno.permissions.revokeSync({ name: "ffi" });
    console.log((await output).stdout.length);
  `);
  assertEquals(length, 20_000_000);
});

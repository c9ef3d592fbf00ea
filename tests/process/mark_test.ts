/**
 * The mark that contained children have.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { spawn, UnsupportedError } from "../../mod.ts";
import { ownCgroups } from "../../process/containment.ts";
import { Mark } from "../../process/mark.ts";
import { libc } from "../../ffi/libc.ts";
import { fromCString } from "../../structs/cstring.ts";
import { Folder } from "../support/sockets.ts";
import { PATIENCE, readStat } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";

const WITHIN = 2n ** 30n - 1n;

/** Has this program's own limits read otherwise until the end of the block. */
function withOwnLimit(limit: bigint): Disposable {
  const folder = new Folder();
  const path = folder.at("limits");
  Deno.writeTextFileSync(path, `Max resident set          ${limit}    ${limit}    bytes     \n`);
  const { openat } = libc();
  const name = new TextEncoder().encode(`${path}\0`);
  const intercept: typeof openat = (dir, given, ...rest) =>
    openat(dir, fromCString(given as Uint8Array) === "/proc/self/limits" ? name : given, ...rest);
  const shadowed = shadow(libc(), "openat", () => intercept);
  return {
    [Symbol.dispose]() {
      shadowed[Symbol.dispose]();
      Deno.removeSync(path);
      folder[Symbol.dispose]();
    },
  };
}

Deno.test("Mark.create() makes one that nobody has, and that limits nothing", () => {
  const marks = Array.from({ length: 100 }, () => Mark.create().limit);
  assertEquals(new Set(marks).size, marks.length);
  for (const limit of marks) {
    assert(limit < 2n ** 62n && limit >= 2n ** 30n, `${limit}`);
    assertEquals(limit & WITHIN, WITHIN);
  }
});

Deno.test("Mark.create() makes one within this program's own, and none within that", () => {
  const outer = Mark.create();
  {
    using _ = withOwnLimit(outer.limit);
    const [one, other] = [Mark.create(), Mark.create()];
    assertNotEquals(one.limit, other.limit);
    for (const { limit } of [one, other]) {
      assert(limit < outer.limit && limit > outer.limit - WITHIN, `${limit}`);
      assertEquals(limit >> 30n, outer.limit >> 30n);
      assertNotEquals(limit & WITHIN, WITHIN);
    }
  }
  using _ = withOwnLimit(outer.limit - 7n);
  assertThrows(() => Mark.create(), UnsupportedError, "RLIMIT_RSS");
});

Deno.test("Mark.isOn() tells whose it is", async () => {
  using _ = without(ownCgroups);
  await using child = spawn("sleep", ["60"], { contain: true });
  const limits = Deno.readTextFileSync(`/proc/${child.pid}/limits`);
  const [, soft, hard] = /^Max resident set +(\d+) +(\d+) +bytes/m.exec(limits)!;
  assertEquals(soft, hard);
  const stranger = Mark.create();
  assertEquals([stranger.isOn(child.pid), stranger.isOn(Deno.pid)], [false, false]);
  const own = { __proto__: Mark.prototype, limit: BigInt(hard) } as unknown as Mark;
  assertEquals([own.isOn(child.pid), own.isOn(Deno.pid)], [true, false]);
  child.kill("SIGKILL");
  await deadline(child.status, PATIENCE);
  if (readStat(child.pid) === null) assertEquals(own.isOn(child.pid), undefined);
});

Deno.test("A mark is no limit that a child would hit, and its other limits are its own", async () => {
  using _ = without(ownCgroups);
  const options = { contain: true, limits: { nofile: 64 }, stdout: "piped" } as const;
  await using child = spawn("sh", ["-c", "ulimit -n; ulimit -m"], options);
  const { stdout } = await deadline(child.output(), PATIENCE);
  const [files, memory] = new TextDecoder().decode(stdout).split("\n");
  assertEquals(files, "64");
  assert(Number(memory) > 2 ** 19, memory);
});

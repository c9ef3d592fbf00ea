/**
 * What a child is given beside the usual: arguments that aren't UTF-8, and signals that it ignores.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { spawn, SyscallError } from "../../mod.ts";
import { run } from "../support/commands.ts";

Deno.test("spawn() passes on arguments byte by byte", async () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0xc3, 0x62);
  const script = 'printf "%s|" "$@" | od -An -tx1';
  const { stdout } = await run("sh", { args: ["-c", script, "sh", "ä", bytes, "c"] });
  assertEquals(stdout.trim(), "c3 a4 7c 61 ff c3 62 7c 63 7c");
});

Deno.test("spawn() passes on bytes as they were when it was called", async () => {
  const bytes = new TextEncoder().encode("before");
  const child = spawn("echo", [bytes], { stdout: "piped" });
  bytes.fill(0x78);
  assertEquals(await child.stdout.text(), "before\n");
  await child.status;
});

Deno.test("spawn() refuses bytes with a NUL in them", () => {
  assertThrows(
    () => spawn("true", [Uint8Array.of(0x61, 0, 0x62)]),
    TypeError,
    "args[0] must not have a NUL byte in it",
  );
});

Deno.test("spawn() has the child ignore the signals that it is told to, and no others", async () => {
  const script = "kill -HUP $$; kill -USR1 $$; echo here; kill -TERM $$; echo not here";
  const { stdout, signal } = await run("sh", {
    args: ["-c", script],
    ignoreSignals: ["SIGHUP", 10],
  });
  assertEquals([stdout, signal], ["here\n", "SIGTERM"]);
});

Deno.test("spawn() starts nothing with a signal that can't be ignored", () => {
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    const error = assertThrows(() => spawn("true", [], { ignoreSignals: [signal] }), SyscallError);
    assertEquals(error.code, "EINVAL");
  }
  assertThrows(() => spawn("true", [], { ignoreSignals: [0] }), RangeError, "ignoreSignals[0]");
  const notAnArray = "SIGHUP" as unknown as [];
  assertThrows(() => spawn("true", [], { ignoreSignals: notAnArray }), TypeError, "ignoreSignals");
});

/**
 * Terminals under load: much that goes through one, and many of them at once.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, spawn } from "../../mod.ts";
import { eventually, idle, openFds, PATIENCE, threads } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";
import { childrenOf } from "../support/trees.ts";

const MEBIBYTE = 2 ** 20;

/** Bytes that nothing could guess. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const most = 65_536;
  for (let at = 0; at < length; at += most) crypto.getRandomValues(bytes.subarray(at, at + most));
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Starts a shell command on a terminal, and waits for a line of its output. */
async function start(command: string): Promise<Child> {
  const child = spawn("sh", ["-c", command], { terminal: true });
  const reader = child.terminal!.readable.getReader();
  let text = "";
  while (!text.endsWith("ready\n")) {
    const { value, done } = await deadline(reader.read(), PATIENCE);
    if (done) throw new Error(`it ended: ${text}`);
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return child;
}

for (const size of [65_521, 64 * MEBIBYTE]) {
  Deno.test(
    needing(
      PTMX,
      hasTerminals,
      `Terminal passes 64 MiB on and back in raw mode, in pieces of ${size} bytes`,
    ),
    async () => {
      const bytes = randomBytes(64 * MEBIBYTE);
      const child = await start(`stty raw -echo; echo ready; exec head -c ${bytes.length}`);
      const { readable, writable } = child.terminal!;
      const send = async () => {
        const writer = writable.getWriter();
        for (let at = 0; at < bytes.length; at += size) {
          await writer.write(bytes.subarray(at, at + size));
        }
        await writer.close();
      };
      const [chunks] = await deadline(Promise.all([Array.fromAsync(readable), send()]), PATIENCE);
      const received = new Uint8Array(await new Blob(chunks).arrayBuffer());
      assertEquals(received.length, bytes.length);
      assertEquals(await sha256(received), await sha256(bytes));
      assertEquals((await child.status).success, true);
      await idle();
    },
  );
}

Deno.test(
  needing(PTMX, hasTerminals, "200 terminals take no more threads than one, and leave nothing"),
  async () => {
    await idle();
    const before = { fds: openFds(), children: childrenOf(Deno.pid) };
    // Where somebody else's thread of the pool comes and goes, one of the looks is without it.
    const least = async () => {
      let count = Infinity;
      for (let i = 0; i < 20; i++) {
        count = Math.min(count, threads());
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return count;
    };
    const command = "stty -echo -onlcr; echo ready; while read -r line; do echo $line; done";
    const children = [await start(command)];
    const one = children[0].terminal!.readable.getReader();
    const first = one.read();
    const withOne = await least();
    for (let i = 1; i < 200; i++) children.push(await start(command));
    const readers = children.map(({ terminal }, i) =>
      i === 0 ? one : terminal!.readable.getReader()
    );
    const reads = readers.map((reader, i) => i === 0 ? first : reader.read());
    const withAll = await least();
    assert(withAll <= withOne, `${withAll} threads, and ${withOne} for one`);
    // They are different ones.
    await Promise.all(children.map(({ terminal }, i) => {
      return terminal!.writable.getWriter().write(new TextEncoder().encode(`${i}\r`));
    }));
    const lines = (await deadline(Promise.all(reads), PATIENCE)).map(({ value }) =>
      new TextDecoder().decode(value)
    );
    assertEquals(lines, children.map((_, i) => `${i}\n`));
    // Half of them end by themselves.
    const ends = children.map(async (child, i) => {
      if (i % 2 === 0) return await child[Symbol.asyncDispose]();
      child.kill("SIGKILL");
      while (!(await readers[i].read()).done);
      await child.status;
    });
    await deadline(Promise.all(ends), PATIENCE);
    for (const reader of readers) reader.closed.catch(() => {});
    await idle();
    await eventually("the fds are closed", () => `${openFds()}` === `${before.fds}`);
    assertEquals(childrenOf(Deno.pid), before.children);
  },
);

/**
 * Streams that are read into the reader's own memory: bytes land there, none are lost when readers
 * take turns, and the memory comes back at the end.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { deadline } from "@std/async";
import { pipe, write } from "../../ffi/files.ts";
import { FdHandle } from "../../pidfd/fd_handle.ts";
import { type FdStreams, openStreams } from "../../pidfd/fd_streams.ts";
import { OwnedFd } from "../../mod.ts";
import { idle, PATIENCE } from "../support/processes.ts";
import { nextTurn } from "../support/promises.ts";
import { encode, pattern } from "../support/sockets.ts";

/** A pipe with a stream at its end, both closed at the end of the block. */
function open(): Disposable & { streams: FdStreams; send(text: string): void; finish(): void } {
  const ends = pipe();
  const streams = openStreams(new FdHandle(ends.read, "OwnedFd"));
  const writer = new OwnedFd(ends.write);
  return {
    streams,
    send: (text) => void write(writer.fd, encode(text)),
    finish: () => writer.close(),
    [Symbol.dispose]() {
      streams.close();
      writer.close();
    },
  };
}

function read(
  reader: ReadableStreamBYOBReader,
  view: Uint8Array<ArrayBuffer>,
): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> {
  return deadline(reader.read(view), PATIENCE) as never;
}

const text = (bytes?: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("a BYOB reader gets bytes in its own memory, where it wants them", async () => {
  using piped = open();
  const reader = piped.streams.readable.getReader({ mode: "byob" });
  piped.send("hello");
  const memory = new Uint8Array(new ArrayBuffer(16)).fill(46);
  const { value, done } = await read(reader, memory.subarray(4, 12));
  assertEquals([text(value), value!.byteOffset, done], ["hello", 4, false]);
  assertEquals(text(new Uint8Array(value!.buffer)), "....hello.......");
  // It has moved, as the standard has it.
  assertEquals(memory.length, 0);
});

Deno.test("a BYOB reader that waits gets what comes later, and its memory back at the end", async () => {
  using piped = open();
  const reader = piped.streams.readable.getReader({ mode: "byob" });
  const first = reader.read(new Uint8Array(8));
  await nextTurn();
  piped.send("later");
  assertEquals(text((await deadline(first, PATIENCE)).value), "later");
  const last = reader.read(new Uint8Array(8));
  await nextTurn();
  piped.finish();
  const { value, done } = await deadline(last, PATIENCE);
  assertEquals([value?.length, value?.buffer.byteLength, done], [0, 8, true]);
  await idle();
});

Deno.test("a BYOB reader takes no more than it has room for, and the next reader goes on", async () => {
  using piped = open();
  const { readable } = piped.streams;
  piped.send("abcdef");
  const byob = readable.getReader({ mode: "byob" });
  assertEquals(text((await read(byob, new Uint8Array(2))).value), "ab");
  byob.releaseLock();
  const reader = readable.getReader();
  assertEquals(text((await deadline(reader.read(), PATIENCE)).value), "cdef");
  reader.releaseLock();
  piped.send("gh");
  piped.finish();
  assertEquals(text(await deadline(readable.bytes(), PATIENCE)), "gh");
});

for (const [from, to] of [["byob", undefined], [undefined, "byob"]] as const) {
  Deno.test(`bytes that come for a ${from ?? "default"} reader that has left go to the next`, async () => {
    using piped = open();
    const { readable } = piped.streams;
    const left = from
      ? readable.getReader({ mode: from })
      : readable.getReader() as unknown as ReadableStreamBYOBReader;
    const pending = left.read(new Uint8Array(8)).catch((error) => error.name);
    await nextTurn();
    left.releaseLock();
    assertEquals(await pending, "TypeError");
    piped.send("kept");
    const next = to
      ? readable.getReader({ mode: to })
      : readable.getReader() as unknown as ReadableStreamBYOBReader;
    assertEquals(text((await deadline(next.read(new Uint8Array(8)), PATIENCE)).value), "kept");
  });
}

Deno.test("a BYOB reader fills views of other types, and at least as much as it asks for", async () => {
  using piped = open();
  const reader = piped.streams.readable.getReader({ mode: "byob" });
  const pending = reader.read(new Uint16Array(4), { min: 2 });
  piped.send("ab");
  await nextTurn();
  piped.send("cd");
  const { value } = await deadline(pending, PATIENCE);
  assertEquals([value instanceof Uint16Array, value!.length], [true, 2]);
});

Deno.test("2 MiB arrive whole by a BYOB reader with memory of an odd size", async () => {
  const { reader, writer } = OwnedFd.pipe();
  const sent = pattern(2 * 2 ** 20);
  const sending = writer.writable.getWriter();
  const written = sending.write(sent).then(() => sending.close());
  const byob = reader.readable.getReader({ mode: "byob" });
  let memory = new Uint8Array(new ArrayBuffer(65_521));
  let length = 0;
  let wrong = 0;
  for (;;) {
    const { value, done } = await read(byob, memory);
    if (done) break;
    for (const byte of value) if (byte !== sent[length++]) wrong++;
    memory = new Uint8Array(value.buffer);
  }
  await deadline(written, PATIENCE);
  assertEquals([length, wrong], [sent.length, 0]);
});

Deno.test("a BYOB read ends when the stream is canceled, and fails when it is closed", async () => {
  for (const how of ["cancel", "close"] as const) {
    using piped = open();
    const reader = piped.streams.readable.getReader({ mode: "byob" });
    const pending = reader.read(new Uint8Array(8));
    await nextTurn();
    if (how === "close") {
      piped.streams.close();
      await assertRejects(() => deadline(pending, PATIENCE), Deno.errors.BadResource);
    } else {
      await deadline(reader.cancel(), PATIENCE);
      assertEquals((await deadline(pending, PATIENCE)).done, true);
    }
  }
  await idle();
});

Deno.test("a stream can be read to its end as bytes, memory, text or JSON", async () => {
  const results = [];
  for (const how of ["bytes", "arrayBuffer", "text", "json"] as const) {
    using piped = open();
    piped.send("[1]");
    piped.finish();
    results.push(await deadline(piped.streams.readable[how](), PATIENCE));
  }
  const [bytes, memory, string, json] = results;
  assertEquals([text(bytes), text(new Uint8Array(memory)), string, json], ["[1]", "[1]", "[1]", [
    1,
  ]]);
  assertStrictEquals(memory.byteLength, 3);
});

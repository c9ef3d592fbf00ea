/**
 * Streams on pipes, sockets, terminals and files: that all bytes arrive, that nothing is read
 * before it is wanted and nothing blocks, and when the fd is closed.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close, O_PATH, O_RDONLY, O_WRONLY, pipe, read, write } from "../../ffi/files.ts";
import { socketpair } from "../../ffi/sockets.ts";
import { openTerminal } from "../../ffi/terminals.ts";
import { SyscallError } from "../../mod.ts";
import { FdHandle } from "../../pidfd/fd_handle.ts";
import { type FdStreams, openStreams } from "../../pidfd/fd_streams.ts";
import { openFile, openOn } from "../support/fds.ts";
import { collectedUntil } from "../support/garbage.ts";
import { idle, openFds, PATIENCE, runProgram, threads } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { needing } from "../support/skip.ts";
import { encode, Folder, pattern } from "../support/sockets.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";

const O_RDWR = 2;

/** Streams on an fd, which are closed at the end of the block. */
function streams(fd: number): FdStreams & Disposable {
  const opened = openStreams(new FdHandle(fd, "OwnedFd"));
  return Object.assign(Object.create(opened), { [Symbol.dispose]: () => opened.close() });
}

/** Reads to the end. */
function allOf(stream: FdStreams["readable"]): Promise<Uint8Array> {
  return deadline(new Response(stream).bytes(), PATIENCE);
}

async function textOf(stream: FdStreams["readable"]): Promise<string> {
  return new TextDecoder().decode(await allOf(stream));
}

/** Writes something, and closes the stream unless told otherwise. */
async function writeAll(
  stream: FdStreams["writable"],
  data: Uint8Array<ArrayBuffer> | string,
  { preventClose = false } = {},
): Promise<void> {
  const writer = stream.getWriter();
  const written = writer.write(typeof data === "string" ? encode(data) : data);
  await deadline(written, PATIENCE);
  if (preventClose) return writer.releaseLock();
  await deadline(writer.close(), PATIENCE);
}

/** What can pass data on, from one fd to the other. */
const CHANNELS: Record<string, () => [from: number, to: number]> = {
  pipe: () => {
    const { read, write } = pipe();
    return [write, read];
  },
  socket: () => socketpair("stream"),
};

for (const [what, open] of Object.entries(CHANNELS)) {
  Deno.test(`FdStreams pass any number of bytes on through a ${what}`, async () => {
    for (const length of [1, 64 * 1024, 2_000_001]) {
      const [from, to] = open();
      using writing = streams(from);
      using reading = streams(to);
      const sent = pattern(length);
      const [received] = await Promise.all([
        allOf(reading.readable),
        writeAll(writing.writable, sent),
      ]);
      assertEquals(received.length, length);
      assert(received.every((byte, i) => byte === sent[i]));
    }
    await idle();
  });

  Deno.test(`FdStreams hold a writer up as long as nobody reads from the ${what}`, async () => {
    const [from, to] = open();
    using writing = streams(from);
    using reading = streams(to);
    // More than the largest pipe of an ordinary user, and than the buffers of a socket.
    const sent = new Uint8Array(4 * 1024 * 1024);
    const { readable } = reading;
    const written = writeAll(writing.writable, sent);
    await nextTurn();
    assert(await isPending(written));
    assertEquals((await allOf(readable)).length, sent.length);
    await deadline(written, PATIENCE);
    await idle();
  });

  Deno.test(`FdStreams fail with BadResource when they are closed on a ${what}`, async () => {
    const [from, to] = open();
    using writing = streams(from);
    using reading = streams(to);
    const read = reading.readable.getReader().read();
    await nextTurn();
    reading.close();
    const refusal = assertRejects(() => read, Deno.errors.BadResource, "this stream is closed");
    await deadline(refusal, PATIENCE);
    assertEquals(openOn(to), null);
    writing.close();
    const { writable } = writing;
    const late = assertRejects(() => writeAll(writable, "late"), Deno.errors.BadResource);
    await deadline(late, PATIENCE);
    assertEquals(openOn(from), null);
    await idle();
  });

  Deno.test(`FdStreams reject a write to a ${what} that nobody can read any more`, async () => {
    const [from, to] = open();
    using writing = streams(from);
    streams(to).close();
    const refusal = assertRejects(() => writeAll(writing.writable, "lost"), SyscallError);
    assertEquals((await deadline(refusal, PATIENCE)).code, "EPIPE");
  });

  Deno.test(`FdStreams give up a ${what} that is aborted, even in a write`, async () => {
    for (const isWriting of [false, true]) {
      const [from, to] = open();
      using writing = streams(from);
      using _reading = streams(to);
      const writer = writing.writable.getWriter();
      const written = isWriting ? writer.write(new Uint8Array(4 * 1024 * 1024)) : writer.closed;
      await nextTurn();
      const refusal = assertRejects(() => written, Error, "given up");
      await deadline(writer.abort(new Error("given up")), PATIENCE);
      await deadline(refusal, PATIENCE);
      // Of a socket one direction is left, which nobody uses.
      assertEquals(openOn(from) !== null, what === "socket");
      await idle();
    }
  });

  Deno.test(`FdStreams give up a ${what} that is cancelled, even in a read`, async () => {
    for (const isReading of [false, true]) {
      const [from, to] = open();
      using _writing = streams(from);
      using reading = streams(to);
      const reader = reading.readable.getReader();
      const pending = isReading ? reader.read() : Promise.resolve({ done: true });
      await nextTurn();
      await deadline(reader.cancel(), PATIENCE);
      assertEquals((await deadline(pending, PATIENCE)).done, true);
      assertEquals(openOn(to) !== null, what === "socket");
      await idle();
    }
  });
}

Deno.test("FdStreams close a pipe's end once its direction has ended", async () => {
  const [from, to] = CHANNELS.pipe();
  using writing = streams(from);
  using reading = streams(to);
  await writeAll(writing.writable, "the last words");
  assertEquals(openOn(from), null);
  assertEquals(await textOf(reading.readable), "the last words");
  assertEquals(openOn(to), null);
});

Deno.test("FdStreams close a socket once both directions have ended", async () => {
  const [one, other] = socketpair("stream");
  using near = streams(one);
  using far = streams(other);
  await writeAll(near.writable, "question");
  assertEquals(await textOf(far.readable), "question");
  // Half open: the answer can still be sent.
  assert(openOn(one) !== null && openOn(other) !== null);
  await writeAll(far.writable, "answer");
  assertEquals(openOn(other), null);
  assertEquals(await textOf(near.readable), "answer");
  assertEquals(openOn(one), null);
});

Deno.test("FdStreams have no stream for a direction that the fd isn't open for", () => {
  const [from, to] = CHANNELS.pipe();
  using writing = streams(from);
  using reading = streams(to);
  assertThrows(() => writing.readable, TypeError, "the descriptor is not open for reading");
  assertThrows(() => reading.writable, TypeError, "the descriptor is not open for writing");
});

Deno.test("FdStreams refuse what is no bytes", async () => {
  const [from, to] = CHANNELS.pipe();
  using writing = streams(from);
  using _reading = streams(to);
  const text = "text" as unknown as Uint8Array<ArrayBuffer>;
  const refusal = assertRejects(() => writing.writable.getWriter().write(text), TypeError);
  assertEquals((await deadline(refusal, PATIENCE)).message, 'chunk must be bytes: "text"');
});

Deno.test("FdStreams read nothing before somebody asks for it", async () => {
  const [from, to] = CHANNELS.pipe();
  write(from, encode("for others"));
  using reading = streams(to);
  const { readable } = reading;
  await nextTurn();
  const bytes = new Uint8Array(100);
  assertEquals(new TextDecoder().decode(bytes.subarray(0, read(to, bytes))), "for others");
  streams(from).close();
  assertEquals(await textOf(readable), "");
});

Deno.test("FdStreams take one thread for 40 pending reads, and Deno.stat resolves meanwhile", async () => {
  using stack = new DisposableStack();
  const channels = Array.from({ length: 40 }, () => CHANNELS.pipe());
  const readers = channels.map(([, to]) => stack.use(streams(to)).readable);
  await deadline(Deno.stat("/"), PATIENCE);
  const before = threads();
  const texts = readers.map(textOf);
  await deadline(Deno.stat("/"), PATIENCE);
  assertLess(threads(), before + 10);
  for (const [i, [from]] of channels.entries()) {
    await writeAll(stack.use(streams(from)).writable, `pipe ${i}`);
  }
  assertEquals(await Promise.all(texts), channels.map((_, i) => `pipe ${i}`));
  await idle();
});

Deno.test("FdStreams let the event loop go on while a source never runs dry", async () => {
  using reading = streams(openFile("/dev/zero"));
  let isTimeUp = false;
  setTimeout(() => isTimeUp = true);
  let length = 0;
  for await (const chunk of reading.readable) {
    length += chunk.length;
    if (isTimeUp) break;
    assertLess(length, 2 ** 30);
  }
});

Deno.test("FdStreams let a program end in which nobody reads or writes", async () => {
  const { code, stderr } = await runProgram(`
    import { FdSocket, OwnedFd } from "@pidfd/util";
    const [one, other] = FdSocket.pair().map((socket) => new OwnedFd(socket.intoFd()));
    globalThis.kept = [one, other, one.readable, one.writable, other.readable];
  `);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test(needing(PTMX, hasTerminals, "FdStreams talk to a terminal"), async () => {
  using terminal = streams(openFile(PTMX, O_RDWR));
  await writeAll(terminal.writable, "hello\n", { preventClose: true });
  const reader = terminal.readable.getReader();
  let echo = "";
  while (!echo.endsWith("\n")) {
    const { value } = await deadline(reader.read(), PATIENCE);
    echo += new TextDecoder().decode(value);
  }
  assertEquals(echo, "hello\r\n");
  await idle();
});

Deno.test(needing(PTMX, hasTerminals, "FdStreams end at the end of a terminal"), async () => {
  const { near, far } = openTerminal({ columns: 80, rows: 24 });
  using terminal = streams(near);
  const text = textOf(terminal.readable);
  await nextTurn();
  write(far, encode("the last words\n"));
  close(far);
  assertEquals(await text, "the last words\r\n");
  await idle();
});

/** Runs a test on a file with some content; the folder is removed afterwards. */
async function onFile(
  content: Uint8Array<ArrayBuffer> | string,
  test: (path: string) => Promise<void>,
): Promise<void> {
  using folder = new Folder();
  const path = folder.at("file");
  Deno.writeFileSync(path, typeof content === "string" ? encode(content) : content);
  await test(path);
}

Deno.test("FdStreams read a file to its end, in whatever number of chunks", async () => {
  const content = pattern(3 * 64 * 1024 + 1);
  await onFile(content, async (path) => {
    const fd = openFile(path);
    using file = streams(fd);
    assertEquals(await allOf(file.readable), content);
    assertEquals(openOn(fd), null);
  });
});

Deno.test("FdStreams write a file, from where it stands", async () => {
  await onFile("hello", async (path) => {
    const fd = openFile(path, O_WRONLY);
    using file = streams(fd);
    await writeAll(file.writable, "H", { preventClose: true });
    await writeAll(file.writable, "ELL");
    assertEquals(openOn(fd), null);
    assertEquals(Deno.readTextFileSync(path), "HELLo");
  });
});

Deno.test("FdStreams read and write one file, which is closed after both", async () => {
  for (const content of ["hello", ""]) {
    await onFile(content, async (path) => {
      const fd = openFile(path, O_RDWR);
      using file = streams(fd);
      assertEquals(await textOf(file.readable), content);
      assertEquals(openOn(fd), path);
      await writeAll(file.writable, " again");
      assertEquals(openOn(fd), null);
      assertEquals(Deno.readTextFileSync(path), `${content} again`);
    });
  }
});

Deno.test("FdStreams reject with what reading or opening fails with", async () => {
  using folder = streams(openFile("/", O_RDONLY));
  const refusal = assertRejects(() => allOf(folder.readable), SyscallError);
  assertEquals((await deadline(refusal, PATIENCE)).code, "EISDIR");
  const before = openFds();
  const place = new FdHandle(openFile("/", O_PATH), "OwnedFd");
  const { fd } = place;
  assertEquals(assertThrows(() => openStreams(place), SyscallError).code, "EBADF");
  assertEquals([place.fd, openOn(fd)], [fd, "/"]);
  place.close();
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdStreams that are closed fail at once, though nobody uses them", async () => {
  const { read, write } = pipe();
  const streams = [read, write].map((fd) => openStreams(new FdHandle(fd, "OwnedFd")));
  const reader = streams[0].readable.getReader();
  const writer = streams[1].writable.getWriter();
  for (const each of streams) each.close();
  for (const { closed } of [reader, writer]) {
    await deadline(assertRejects(() => closed, Deno.errors.BadResource), PATIENCE);
  }
});

Deno.test("FdStreams that are dropped are closed by the garbage collector", async () => {
  const before = openFds();
  await onFile("content", async (path) => {
    await (async function drop() {
      const kept: unknown[] = [];
      for (let i = 0; i < 50; i++) {
        const { read, write } = pipe();
        const { readable } = openStreams(new FdHandle(read, "OwnedFd"));
        const reader = openStreams(new FdHandle(openFile(path), "OwnedFd")).readable.getReader();
        assertEquals((await deadline(reader.read(), PATIENCE)).value?.length, 7);
        kept.push(readable, reader, openStreams(new FdHandle(write, "OwnedFd")));
      }
      assertEquals(openFds().length, before.length + kept.length);
    })();
    await collectedUntil(() => `${openFds()}` === `${before}`);
  });
});

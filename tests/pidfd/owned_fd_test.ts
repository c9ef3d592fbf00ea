/**
 * Descriptors with one owner: what they share with their clones, whom they can be given to, and
 * when their streams take them over.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close, read, setCloseOnExec } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { OwnedFd, PidFd, SyscallError } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { isCloseOnExec, openAs, openFile, openOn } from "../support/fds.ts";
import { collected } from "../support/garbage.ts";
import { idle, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { nextTurn } from "../support/promises.ts";
import { shadow } from "../support/shadow.ts";
import { encode, someFd } from "../support/sockets.ts";

/** The two ends of a pipe. */
function ownedPipe(): { reading: OwnedFd; writing: OwnedFd } {
  const { reader, writer } = OwnedFd.pipe();
  return { reading: reader, writing: writer };
}

async function readText(owned: OwnedFd): Promise<string> {
  return await deadline(new Response(owned.readable).text(), PATIENCE);
}

async function writeText(owned: OwnedFd, text: string): Promise<void> {
  const writer = owned.writable.getWriter();
  await deadline(writer.write(encode(text)), PATIENCE);
  await deadline(writer.close(), PATIENCE);
}

Deno.test("OwnedFd takes over a descriptor, and closes it at the end of the block", () => {
  const fd = openFile("/dev/null");
  {
    using owned = new OwnedFd(fd);
    assertEquals([owned.fd, owned.closed, openOn(fd)], [fd, false, "/dev/null"]);
  }
  assertEquals(openOn(fd), null);
});

Deno.test("OwnedFd refuses what is no descriptor's number", () => {
  using calls = watchCalls();
  for (const fd of [-1, 1.5, NaN, 2 ** 31]) {
    const { message } = assertThrows(() => new OwnedFd(fd), RangeError);
    assertEquals(message, `fd must be an integer in 0…2147483647: ${fd}`);
  }
  // deno-lint-ignore no-explicit-any
  const others: [any, string][] = [["7", '"7"'], [7n, "7n"], [undefined, "undefined"]];
  for (const [fd, shown] of others) {
    const { message } = assertThrows(() => new OwnedFd(fd), TypeError);
    assertEquals(message, `fd must be a number: ${shown}`);
  }
  assertEquals(calls.names, []);
});

Deno.test("OwnedFd refuses a number that is not open, and leaves it alone when it is another's", async () => {
  // Lower ones are taken at any time by other threads.
  const fd = 900;
  assertEquals(openOn(fd), null);
  const error = assertThrows(() => new OwnedFd(fd), SyscallError);
  assertEquals([error.code, error.message], [
    "EBADF",
    `fcntl: EBADF: Bad file descriptor (fd ${fd} is not open)`,
  ]);
  openAs(fd);
  await collected();
  assertEquals(openOn(fd), "/dev/null");
  close(fd);
});

Deno.test("OwnedFd makes what it takes over close-on-exec", () => {
  const fd = openFile("/dev/null");
  setCloseOnExec(fd, false);
  assertEquals(isCloseOnExec(fd), false);
  using owned = new OwnedFd(fd);
  assertEquals([owned.fd, isCloseOnExec(fd)], [fd, true]);
});

Deno.test("OwnedFd costs no second call where the descriptor is new", () => {
  using self = PidFd.fromSelf();
  using owned = someFd();
  using calls = watchCalls();
  OwnedFd.open("/dev/null").close();
  owned.clone().close();
  self.getRemoteFd(owned.fd).close();
  const { reader, writer } = OwnedFd.pipe();
  [reader, writer].forEach((end) => end.close());
  assertEquals(calls.names, [
    ...["openat", "close"],
    ...["fcntl", "close"],
    ...["syscall_pidfd_getfd", "close"],
    ...["pipe2", "close", "close"],
  ]);
});

Deno.test("OwnedFd.pipe() gives two ends, close-on-exec, that end with the writer", async () => {
  const { reader, writer } = OwnedFd.pipe();
  assertEquals(openOn(reader.fd), openOn(writer.fd));
  assert(openOn(reader.fd)!.startsWith("pipe:["));
  assertEquals([reader, writer].map(({ fd }) => isCloseOnExec(fd)), [true, true]);
  await writeText(writer, "through the pipe");
  assertEquals(await readText(reader), "through the pipe");
  assert(reader.closed && writer.closed);
});

Deno.test("OwnedFd.pipe() and open() say that no descriptor is left", async () => {
  const program = `
    import { OwnedFd } from "@pidfd/util";
    import { giveBack, takeAll } from "${new URL("../support/scarce_fds.ts", import.meta.url)}";

    const codes = [];
    const attempt = (open) => {
      try {
        open();
      } catch (error) {
        codes.push(error.code);
      }
    };
    OwnedFd.open("/dev/null").close();
    takeAll();
    attempt(() => OwnedFd.open("/dev/null"));
    attempt(() => OwnedFd.pipe());
    giveBack(1);
    attempt(() => OwnedFd.pipe());
    OwnedFd.open("/dev/null").close();
    console.log(JSON.stringify(codes));
  `;
  assertEquals(await runForValue(program, ["--allow-all"]), ["EMFILE", "EMFILE", "EMFILE"]);
});

Deno.test("OwnedFd.setCloseOnExec() refuses what is no boolean", () => {
  using owned = someFd();
  using calls = watchCalls();
  // deno-lint-ignore no-explicit-any
  const others: [any, string][] = [[1, "1"], ["true", '"true"'], [undefined, "undefined"]];
  for (const [on, shown] of others) {
    const { message } = assertThrows(() => owned.setCloseOnExec(on), TypeError);
    assertEquals(message, `on must be a boolean: ${shown}`);
  }
  assertEquals(calls.names, []);
});

Deno.test("OwnedFd.clone() shares the open file, and has an end of its own", () => {
  using owned = new OwnedFd(openFile(`${ROOT}LICENSE`));
  const clone = owned.clone();
  const { fd } = clone;
  assertNotEquals(fd, owned.fd);
  assertEquals([isCloseOnExec(fd), clone.inode()], [true, owned.inode()]);
  const [first, second] = [new Uint8Array(4), new Uint8Array(4)];
  read(owned.fd, first);
  read(fd, second);
  const text = Deno.readTextFileSync(`${ROOT}LICENSE`);
  assertEquals(new TextDecoder().decode(new Uint8Array([...first, ...second])), text.slice(0, 8));
  clone.close();
  assertEquals([openOn(fd), owned.closed, openOn(owned.fd)], [null, false, `${ROOT}LICENSE`]);
});

Deno.test("OwnedFd.intoFd() gives the descriptor away, open", () => {
  const owned = new OwnedFd(openFile("/dev/null"));
  const { fd } = owned;
  assertEquals(owned.intoFd(), fd);
  assertEquals([owned.fd, owned.closed, openOn(fd)], [-1, true, "/dev/null"]);
  close(fd);
});

Deno.test("OwnedFd.inode() is that of the file, and tells files apart", () => {
  using one = new OwnedFd(openFile("/dev/null"));
  using same = new OwnedFd(openFile("/dev/null"));
  using other = new OwnedFd(openFile("/dev/zero"));
  assertEquals(one.inode(), BigInt(Deno.statSync("/dev/null").ino!));
  assertEquals([same.inode() === one.inode(), other.inode() === one.inode()], [true, false]);
});

Deno.test("OwnedFd.inode() gives all 64 bits", () => {
  using owned = new OwnedFd(openFile("/dev/null"));
  const { syscall_statx } = libc();
  const large = 0xfedc_ba98_7654_3210n;
  using _ = shadow(libc(), "syscall_statx", () => (...args) => {
    const result = syscall_statx(...args);
    // stx_ino
    new DataView((args.at(-1) as Uint8Array<ArrayBuffer>).buffer).setBigUint64(32, large, true);
    return result;
  });
  assertEquals(owned.inode(), large);
});

Deno.test("OwnedFd without close-on-exec is inherited by a child, and works there", async () => {
  const { reading, writing } = ownedPipe();
  using theirs = writing;
  theirs.setCloseOnExec(false);
  const args = ["-c", `echo from the child > /proc/self/fd/${theirs.fd}`];
  const { code, stderr } = await new Deno.Command("sh", { args }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  theirs.close();
  assertEquals(await readText(reading), "from the child\n");
});

Deno.test("OwnedFd.readable and writable own the descriptor from the first use on", async () => {
  const { reading, writing } = ownedPipe();
  const numbers = [reading.fd, writing.fd];
  const { readable } = reading;
  const { writable } = writing;
  assertEquals([reading.fd, reading.closed, writing.fd, writing.closed], [-1, true, -1, true]);
  assert(numbers.every((fd) => openOn(fd) !== null));
  // They are the same at each look.
  assert(reading.readable === readable && writing.writable === writable);
  await writeText(writing, "through the pipe");
  assertEquals(await readText(reading), "through the pipe");
  assertEquals(numbers.map(openOn), [null, null]);
  reading.close();
  writing.close();
});

Deno.test("OwnedFd.close() ends the streams that own the descriptor", async () => {
  const { reading, writing } = ownedPipe();
  const { fd } = reading;
  const pending = reading.readable.getReader().read();
  await nextTurn();
  reading.close();
  assertEquals(openOn(fd), null);
  await deadline(assertRejects(() => pending, Deno.errors.BadResource), PATIENCE);
  writing.close();
  await idle();
});

Deno.test("OwnedFd.readable and writable leave alone what they are not for", () => {
  const { reading, writing } = ownedPipe();
  for (
    const [owned, refused, direction] of [
      [writing, "readable", "reading"],
      [reading, "writable", "writing"],
    ] as const
  ) {
    using rest = owned;
    const { fd } = owned;
    const message = `the descriptor is not open for ${direction}`;
    assertThrows(() => owned[refused], TypeError, message);
    assertEquals([rest.fd, rest.closed], [fd, false]);
  }
});

Deno.test("OwnedFd.clone() and intoFd() take no descriptor away from its streams", async () => {
  const { reading, writing } = ownedPipe();
  const { readable } = reading;
  assertThrows(() => reading.clone(), Deno.errors.BadResource);
  assertThrows(() => reading.intoFd(), Deno.errors.BadResource);
  await writeText(writing, "still there");
  assertEquals(await deadline(new Response(readable).text(), PATIENCE), "still there");
});

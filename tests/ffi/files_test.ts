/**
 * The calls about files: that they read everything, and say what went wrong.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  accessMode,
  AT_FDCWD,
  close,
  duplicate,
  fileSystemType,
  inode,
  isExecutable,
  isFile,
  isRegularFile,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  openat,
  pipe,
  read,
  readAll,
  readDirectory,
  readFile,
  readlinkat,
  unlink,
  write,
} from "../../ffi/files.ts";
import { SyscallError } from "../../mod.ts";
import { runForValue } from "../support/processes.ts";

const FILES = new URL("../../ffi/files.ts", import.meta.url).href;

/** A folder that is removed at the end of the block. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync();

  /** The path of a file in it that has this content. */
  file(name: string, content: string | Uint8Array = ""): string {
    const path = join(this.path, name);
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.writeFileSync(path, bytes);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Opens a file for as long as `use` runs. */
function withFile<T>(path: string, use: (fd: number) => T, flags = O_RDONLY): T {
  const fd = openat(AT_FDCWD, path, flags);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

/** Bytes that would show if one were missing, doubled or out of place. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

Deno.test("openat() says which file isn't there, or may not be opened", () => {
  assertThrows(
    () => openat(AT_FDCWD, "/nowhere/at all", O_RDONLY),
    SyscallError,
    "openat: ENOENT: No such file or directory (/nowhere/at all)",
  );
  assertThrows(() => openat(AT_FDCWD, "/", O_WRONLY), SyscallError, "openat: EISDIR");
});

Deno.test("openat() starts at a folder, if it is given one", () => {
  using folder = new Folder();
  folder.file("ä name", "content");
  const content = withFile(folder.path, (fd) => readFile(fd, "ä name"), O_PATH);
  assertEquals(new TextDecoder().decode(content), "content");
});

Deno.test("openat() refuses a path with a NUL byte, which would open another file", () => {
  assertThrows(() => openat(AT_FDCWD, "/dev/null\0x", O_RDONLY), TypeError, "path must not have");
});

Deno.test("close() says that something else closed the fd", () => {
  const fd = 2 ** 31 - 1;
  const error = assertThrows(() => close(fd), SyscallError);
  assertEquals(
    error.message,
    `close: EBADF: Bad file descriptor (something else closed fd ${fd})`,
  );
});

Deno.test("duplicate() is an fd of its own on the same open file", () => {
  const { read: from, write: to } = pipe();
  const copy = duplicate(to);
  close(to);
  write(copy, new Uint8Array([7]));
  close(copy);
  assertEquals([...readAll(from)], [7]);
  close(from);
});

Deno.test("duplicate() keeps clear of standard input, output and error", async () => {
  const copy = await runForValue(`
    import { close, duplicate } from "${FILES}";
    close(0);
    console.log(duplicate(1));
  `);
  assert(copy as number > 2);
});

Deno.test("duplicate() throws for what isn't open", () => {
  assertThrows(() => duplicate(2 ** 31 - 1), SyscallError, "fcntl: EBADF");
});

Deno.test("pipe() is a pair of ends: what is written to one is read from the other", () => {
  const { read: from, write: to } = pipe();
  assertEquals([accessMode(from), accessMode(to)], [O_RDONLY, O_WRONLY]);
  assertEquals(write(to, new Uint8Array([1, 2, 3])), 3);
  const buffer = new Uint8Array(2);
  assertEquals([read(from, buffer), ...buffer], [2, 1, 2]);
  assertEquals([read(from, buffer), ...buffer], [1, 3, 2]);
  close(to);
  assertEquals(read(from, buffer), 0);
  close(from);
});

Deno.test("read() and write() throw what went wrong", () => {
  const { read: from, write: to } = pipe();
  assertThrows(() => read(to, new Uint8Array(1)), SyscallError, "read: EBADF");
  close(from);
  // Deno ignores SIGPIPE, which would end the program.
  assertThrows(() => write(to, new Uint8Array(1)), SyscallError, "write: EPIPE");
  close(to);
});

// Its buffer has 4,096 bytes in the beginning, and doubles when it is full.
for (const length of [0, 1, 4095, 4096, 4097, 8192, 100_000]) {
  Deno.test(`readAll() reads a file of ${length} bytes to its end`, () => {
    using folder = new Folder();
    const path = folder.file("file", pattern(length));
    assertEquals(withFile(path, readAll), pattern(length));
    assertEquals(readFile(AT_FDCWD, path), pattern(length));
  });
}

Deno.test("readAll() goes on where the kernel gives less than it is asked for", () => {
  const { read: from, write: to } = pipe();
  for (let i = 0; i < 10; i++) write(to, pattern(10_000).subarray(i * 1000, (i + 1) * 1000));
  close(to);
  assertEquals(readAll(from), pattern(10_000));
  close(from);
});

Deno.test("readFile() reads a file of /proc, whose size is given as 0", () => {
  const bytes = readFile(AT_FDCWD, "/proc/self/status");
  assert(new TextDecoder().decode(bytes).includes(`\nPid:\t${Deno.pid}\n`));
});

Deno.test("unlink() removes a file, and says which one isn't there", () => {
  using folder = new Folder();
  const path = folder.file("file");
  assertEquals(isFile(path), true);
  unlink(path);
  assertEquals(isFile(path), false);
  assertThrows(() => unlink(path), SyscallError, `(${path})`);
});

Deno.test("readlinkat() reads where a link points, however far", () => {
  using folder = new Folder();
  // The longest target that Linux allows.
  for (const target of ["file", "/nowhere/ä\n", "x".repeat(4095)]) {
    const link = join(folder.path, `link-${target.length}`);
    Deno.symlinkSync(target, link);
    assertEquals(readlinkat(AT_FDCWD, link), target);
  }
});

Deno.test("readlinkat() says what isn't a link", () => {
  using folder = new Folder();
  const path = folder.file("file");
  assertThrows(
    () => readlinkat(AT_FDCWD, path),
    SyscallError,
    `readlinkat: EINVAL: Invalid argument (${path} is not a link)`,
  );
  assertThrows(() => readlinkat(AT_FDCWD, "/nowhere"), SyscallError, "readlinkat: ENOENT");
});

Deno.test("readDirectory() has all names, also more than fit in its buffer", () => {
  using folder = new Folder();
  const names = Array.from({ length: 1000 }, (_, i) => `${i}-${"x".repeat(i % 200)}`);
  for (const name of names) folder.file(name);
  assertEquals(withFile(folder.path, readDirectory).sort(), names.sort());
});

Deno.test("readDirectory() of an empty folder is empty", () => {
  using folder = new Folder();
  assertEquals(withFile(folder.path, readDirectory), []);
});

Deno.test("readDirectory() throws for what is no folder", () => {
  using folder = new Folder();
  const path = folder.file("file");
  assertThrows(() => withFile(path, readDirectory), SyscallError, "getdents64: ENOTDIR");
});

Deno.test("isExecutable() is true for a file that may be executed, and for nothing else", () => {
  using folder = new Folder();
  const path = folder.file("program");
  assertEquals(isExecutable(path), false);
  Deno.chmodSync(path, 0o755);
  assertEquals(isExecutable(path), true);
  assertEquals(isExecutable(folder.path), false);
  assertEquals([isFile(path), isFile(folder.path)], [true, false]);
  assertEquals(isExecutable(join(folder.path, "missing")), false);
});

Deno.test("inode() and isRegularFile() tell files apart", () => {
  using folder = new Folder();
  for (const [path, isFile] of [[folder.path, false], [folder.file("file"), true]] as const) {
    assertEquals(withFile(path, inode), BigInt(Deno.statSync(path).ino!));
    assertEquals(withFile(path, isRegularFile), isFile);
  }
  assertEquals(withFile("/dev/null", isRegularFile), false);
  assertThrows(() => inode(2 ** 31 - 1), SyscallError, "statx: EBADF");
});

Deno.test("accessMode() tells what a file was opened for", () => {
  assertEquals(withFile("/dev/null", accessMode, O_RDONLY), O_RDONLY);
  assertEquals(withFile("/dev/null", accessMode, O_WRONLY), O_WRONLY);
});

Deno.test("fileSystemType() tells a file of /proc by its magic number", () => {
  const PROC_SUPER_MAGIC = 0x9fa0n;
  assertEquals(withFile("/proc/self/status", fileSystemType), PROC_SUPER_MAGIC);
  assertThrows(() => fileSystemType(2 ** 31 - 1), SyscallError, "fstatfs: EBADF");
});

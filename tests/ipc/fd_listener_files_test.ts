/**
 * The places where listeners are found: the files that they make and remove, and the names that
 * need none.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FdSocket, SyscallError } from "../../mod.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { openFds, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { abstractName, Folder } from "../support/sockets.ts";

/** Whether there is a socket's file at a path; null if there is nothing. */
function isSocket(path: string): boolean | null {
  try {
    return Deno.lstatSync(path).isSocket;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

Deno.test("FdListener makes a file, and removes it at the end of a using block", async () => {
  using folder = new Folder();
  const path = folder.at("socket");
  {
    using _listener = FdSocket.listen(path);
    assertEquals(isSocket(path), true);
  }
  assertEquals(isSocket(path), null);
  {
    await using _listener = FdSocket.listen(path);
    assertEquals(isSocket(path), true);
  }
  assertEquals(isSocket(path), null);
});

Deno.test("FdListener.close() leaves alone what took the place of its file", async () => {
  using folder = new Folder();
  const path = folder.at("socket");
  // A file, another listener, and nothing.
  const first = FdSocket.listen(path);
  Deno.removeSync(path);
  Deno.writeTextFileSync(path, "precious");
  first.close();
  assertEquals(Deno.readTextFileSync(path), "precious");
  Deno.removeSync(path);

  const second = FdSocket.listen(path);
  Deno.removeSync(path);
  using third = FdSocket.listen(path);
  second.close();
  assertEquals(isSocket(path), true);
  using _client = await FdSocket.connect(path);

  Deno.removeSync(path);
  third.close();
  assertEquals(isSocket(path), null);
});

Deno.test("FdListener at an abstract name makes no file, and gives the name back", async () => {
  const name = abstractName();
  for (const path of [name, name.replace("@", "\0")]) {
    using _listener = FdSocket.listen(path);
    // The kernel's own list writes the NUL as "@".
    const names = Deno.readTextFileSync("/proc/net/unix").split(/\s+/);
    assert(names.includes(name));
    assertEquals(isSocket(name), null);
    const error = assertThrows(
      () => FdSocket.listen(name),
      SyscallError,
      `${name} exists already`,
    );
    assertEquals([error.code, error.syscall], ["EADDRINUSE", "bind"]);
  }
  await assertRejects(() => FdSocket.connect(name), SyscallError, "ECONNREFUSED");
});

Deno.test("FdSocket.listen() takes a path of 107 bytes, and no longer one", async () => {
  using folder = new Folder();
  const path = folder.at("x".repeat(107 - folder.path.length - 1));
  {
    using listener = FdSocket.listen(path);
    using _client = await FdSocket.connect(path);
    using _server = await listener.accept();
    assertEquals(isSocket(path), true);
    assertThrows(() => FdSocket.listen(`${path}x`), RangeError, "path must have 1…107 bytes");
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("FdSocket.listen() says why it can't, and leaves everything as it was", () => {
  using folder = new Folder();
  const [file, used] = [folder.at("file"), folder.at("used")];
  Deno.writeTextFileSync(file, "precious");
  using _listener = FdSocket.listen(used);
  const before = openFds();
  for (
    const [path, code, hint] of [
      [file, "EADDRINUSE", `${file} exists already`],
      [used, "EADDRINUSE", `${used} exists already`],
      [folder.path, "EADDRINUSE", `${folder.path} exists already`],
      [folder.at("none/socket"), "ENOENT", folder.at("none/socket")],
    ]
  ) {
    const error = assertThrows(() => FdSocket.listen(path), SyscallError, hint);
    assertEquals([error.code, error.syscall], [code, "bind"]);
  }
  const listen = (...args: unknown[]) => FdSocket.listen(...args as [string]);
  assertThrows(() => listen(""), RangeError, "path must have 1…107 bytes");
  assertThrows(() => listen("a\0"), TypeError, "path must not have a NUL byte");
  assertThrows(() => listen(5), TypeError, "path must be a string: 5");
  assertThrows(() => listen("@a", { type: "dgram" }), RangeError, "options.type");
  assertEquals(openFds(), before);
  assertEquals(Deno.readTextFileSync(file), "precious");
  assertEquals(isSocket(used), true);
});

const asOrdinaryUser = withoutCapability("dac_override");
Deno.test({
  ...needing(
    "setpriv",
    works(asOrdinaryUser),
    "FdSocket.listen() needs the right to write to the folder",
  ),
  async fn() {
    using folder = new Folder();
    Deno.chmodSync(folder.path, 0o555);
    const path = folder.at("socket");
    const code = `
      import { FdSocket } from "@pidfd/util";
      try {
        FdSocket.listen(${JSON.stringify(path)});
      } catch ({ code, message }) {
        console.log(JSON.stringify([code, message.includes(${JSON.stringify(path)})]));
      }
    `;
    assertEquals(await runForValue(code, undefined, asOrdinaryUser), ["EACCES", true]);
  },
});

Deno.test("FdListener.close() removes its file from wherever this program is by then", async () => {
  using folder = new Folder();
  const program = `
    import { FdSocket } from "@pidfd/util";
    Deno.chdir(${JSON.stringify(folder.path)});
    const listener = FdSocket.listen("socket");
    Deno.chdir("/");
    listener.close();
    console.log(JSON.stringify(listener.path));
  `;
  assertEquals(await runForValue(program, ["--allow-ffi", "--allow-read"]), "socket");
  assertEquals(isSocket(folder.at("socket")), null);
});

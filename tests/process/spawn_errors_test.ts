/**
 * Commands that can't be started: which error it is, that the message names what it is about,
 * and that nothing is left behind.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PidFd, spawn, SyscallError } from "../../mod.ts";
import { leavesNothing, writeScript } from "../support/commands.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { openFds, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

interface Failure {
  /** The command, in a folder of the test's own. */
  readonly command: string;
  readonly options?: Pick<Deno.CommandOptions, "args" | "cwd" | "env">;
  /** Puts into the folder what the command needs to fail. */
  readonly prepare?: (folder: Folder) => Disposable | void;
  readonly code: string;
  /** What the message names; the command's path unless told otherwise. */
  readonly names?: string;
  /** The error's class in Deno. */
  readonly deno: abstract new (message: string) => Error;
}

const { NotFound, PermissionDenied, NotADirectory, FilesystemLoop } = Deno.errors;

const FAILURES: Readonly<Record<string, Failure>> = {
  "a missing file": { command: "none", code: "ENOENT", deno: NotFound },
  "a script whose interpreter is missing": {
    command: "script",
    prepare: (folder) => writeScript(folder.at("script"), "#!/none\n"),
    code: "ENOENT",
    deno: NotFound,
  },
  "a missing working directory": {
    command: "/bin/true",
    options: { cwd: "none" },
    code: "ENOENT",
    names: "none",
    deno: NotFound,
  },
  "a file that isn't executable": {
    command: "file",
    prepare: (folder) => Deno.writeTextFileSync(folder.at("file"), "#!/bin/sh\n"),
    code: "EACCES",
    deno: PermissionDenied,
  },
  "a folder": { command: ".", code: "EACCES", deno: PermissionDenied },
  "a path through a file": {
    command: "file/none",
    prepare: (folder) => Deno.writeTextFileSync(folder.at("file"), ""),
    code: "ENOTDIR",
    deno: NotADirectory,
  },
  "a file as the working directory": {
    command: "/bin/true",
    options: { cwd: "file" },
    prepare: (folder) => Deno.writeTextFileSync(folder.at("file"), ""),
    code: "ENOTDIR",
    names: "file",
    deno: NotFound,
  },
  "a symbolic link to itself": {
    command: "loop",
    prepare: (folder) => Deno.symlinkSync("loop", folder.at("loop")),
    code: "ELOOP",
    deno: FilesystemLoop,
  },
  "a name that is too long": { command: "x".repeat(256), code: "ENAMETOOLONG", deno: Error },
  "a program that is being written": {
    command: "true",
    prepare(folder) {
      Deno.copyFileSync("/bin/true", folder.at("true"));
      const file = Deno.openSync(folder.at("true"), { append: true });
      return { [Symbol.dispose]: () => file.close() };
    },
    code: "ETXTBSY",
    deno: Error,
  },
  "an argument that is too long": {
    command: "/bin/true",
    options: { args: ["x".repeat(2 ** 17)] },
    code: "E2BIG",
    deno: Error,
  },
};

for (
  const [name, { command, options = {}, prepare, code, names, deno }] of Object.entries(FAILURES)
) {
  Deno.test(`spawn() throws ${code} and leaves nothing behind: ${name}`, async () => {
    using folder = new Folder();
    using _prepared = prepare?.(folder) ?? null;
    const at = (path: string) => path.startsWith("/") ? path : folder.at(path);
    const all = { ...options, ...PIPES, ...(options.cwd && { cwd: at(String(options.cwd)) }) };
    assertThrows(() => new Deno.Command(at(command), all).spawn(), deno);
    await leavesNothing(() => {
      const error = assertThrows(() => spawn(at(command), all), SyscallError);
      assertEquals(error.code, code);
      assertStringIncludes(error.message, at(names ?? command));
    });
  });
}

const withoutRights = withoutCapability("dac_override", "dac_read_search");
Deno.test({
  ...needing(
    "setpriv",
    works(withoutRights),
    "spawn() throws EACCES and names the folder that the child must not enter",
  ),
  async fn() {
    using folder = new Folder();
    const closed = folder.at("closed");
    Deno.mkdirSync(closed);
    using stack = new DisposableStack();
    stack.defer(() => Deno.chmodSync(closed, 0o700));
    Deno.chmodSync(closed, 0);
    const code = `
      import { spawn } from "@pidfd/util";
      import { assertThrows } from "@std/assert";
      import { leavesNothing } from "${new URL("../support/commands.ts", import.meta.url)}";

      const cwd = ${JSON.stringify(closed)};
      const refusal = () =>
        assertThrows(() => spawn("/bin/true", { cwd, ...${JSON.stringify(PIPES)} }));
      // What Deno and the library open once and for all is open from here on.
      const { code, message } = refusal();
      console.log(JSON.stringify([code, message.includes(cwd)]));
      await leavesNothing(refusal);
    `;
    assertEquals(
      await runForValue(code, ["--allow-all", "--v8-flags=--expose-gc"], withoutRights),
      ["EACCES", true],
    );
  },
});

Deno.test("spawn() throws ENOENT for a name that is in no folder of the PATH", async () => {
  for (const env of [undefined, { PATH: "/none" }, { PATH: "" }]) {
    await leavesNothing(() => {
      const start = () => spawn("pidfd-test-none", { env, ...PIPES });
      const { code, message } = assertThrows(start, SyscallError);
      assertEquals(code, "ENOENT");
      assertStringIncludes(message, "pidfd-test-none is not in the PATH");
    });
  }
});

Deno.test("spawn() throws EACCES and names what it has found in the PATH, but may not execute", async () => {
  using folder = new Folder();
  for (const name of ["first", "second"]) Deno.mkdirSync(folder.at(name));
  const found = folder.at("second/pidfd-test-tool");
  Deno.writeTextFileSync(found, "#!/bin/sh\n", { mode: 0o644 });
  // A folder of that name is none that was meant.
  Deno.mkdirSync(folder.at("first/pidfd-test-tool"));
  const env = { PATH: `${folder.at("first")}:${folder.at("second")}:/bin` };
  await leavesNothing(() => {
    const error = assertThrows(() => spawn("pidfd-test-tool", { env, ...PIPES }), SyscallError);
    const words = "Failed to spawn 'pidfd-test-tool': execve: EACCES: Permission denied";
    assertEquals(error.message, `${words} (${found})`);
    assertEquals([error.code, error.syscall], ["EACCES", "execve"]);
    Deno.removeSync(found);
    const missing = assertThrows(() => spawn("pidfd-test-tool", { env, ...PIPES }), SyscallError);
    assertEquals(missing.code, "ENOENT");
  });
});

Deno.test("spawn() throws EPERM for a process group that there isn't", async () => {
  // The last PID that there can be: no process has it for long enough to be a group.
  const processGroup = 2 ** 22;
  await leavesNothing(() => {
    const start = () => spawn("true", { processGroup, ...PIPES });
    const { code, syscall, message } = assertThrows(start, SyscallError);
    assertEquals([code, syscall], ["EPERM", "setpgid"]);
    assertStringIncludes(message, `process group ${processGroup}`);
  });
});

/** The number of an fd that isn't open: the one that the next fd gets. */
function closedFd(): number {
  const open = new Set(openFds().map(Number));
  let fd = 0;
  while (open.has(fd)) fd++;
  return fd;
}

Deno.test("spawn() throws EBADF and names the number of an fd that isn't open", async () => {
  const closed = closedFd();
  const options = { stdin: closed, stdout: closed, stderr: closed, fds: { 3: closed } };
  for (const [name, value] of Object.entries(options)) {
    await leavesNothing(() => {
      const start = () => spawn("true", { ...PIPES, [name]: value });
      const { code, message } = assertThrows(start, SyscallError);
      assertEquals(code, "EBADF");
      assertStringIncludes(message, String(closed));
    });
  }
});

Deno.test("spawn() throws BadResource for a handle that is closed", async () => {
  const closed = PidFd.fromSelf();
  closed.close();
  for (const options of [{ stdin: closed }, { stderr: closed }, { fds: { 7: closed } }]) {
    await leavesNothing(() => {
      assertThrows(() => spawn("true", { ...PIPES, ...options }), Deno.errors.BadResource);
    });
  }
});

Deno.test("spawn() works as ever after it has failed", async () => {
  assertThrows(() => spawn("/none", PIPES), SyscallError);
  const { code } = await spawn("sh", { args: ["-c", "exit 7"] }).status;
  assertEquals(code, 7);
});

/**
 * What is executed, with which arguments and environment: compared with what `Deno.Command`
 * makes of the same options.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { toFileUrl } from "@std/path";
import { spawn, type SpawnOptions, SyscallError } from "../../mod.ts";
import { run, runBoth, writeScript } from "../support/commands.ts";
import { Folder } from "../support/sockets.ts";

const ARGUMENTS: Readonly<Record<string, string[]>> = {
  "none": [],
  "spaces": ["a b", " ", "  c  "],
  "empty ones": ["", "a", "", ""],
  "quotes": [`'`, `"`, `it's`, `"quoted"`, "`id`"],
  "what shells expand": ["$HOME", "*", "~", "a;b", "a&b", "a|b", ">x", "\\", "#", "!1"],
  "line ends and tabs": ["a\nb", "\n", "\t", "\r\n"],
  "UTF-8": ["ä", "€", "日本語", "😀", "\u{10FFFF}", "é"],
  "what looks like an option": ["--", "-", "--help=1"],
  "a very long one": ["x".repeat(100_000)],
  "very many": Array.from({ length: 5_000 }, (_, i) => String(i)),
};

for (const [name, args] of Object.entries(ARGUMENTS)) {
  Deno.test(`spawn() passes arguments on as they are: ${name}`, async () => {
    const { stdout } = await runBoth("/usr/bin/printf", { args: ["<%s>\\0", ...args] });
    const expected = (args.length > 0 ? args : [""]).map((arg) => `<${arg}>\0`);
    assertEquals(stdout, expected.join(""));
  });
}

/** The environment that a command gets, in order. */
async function environmentOf(options: SpawnOptions): Promise<string[]> {
  const { stdout } = await run("/bin/cat", { args: ["/proc/self/environ"], ...options });
  return stdout.split("\0").slice(0, -1).sort();
}

/** The environment that a command gets from Deno, in order. */
async function environmentByDeno(options: Deno.CommandOptions): Promise<string[]> {
  const command = new Deno.Command("/bin/cat", { args: ["/proc/self/environ"], ...options });
  const { stdout } = await command.output();
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1).sort();
}

const ENVIRONMENTS: Readonly<Record<string, Pick<SpawnOptions, "env" | "clearEnv">>> = {
  "its own": {},
  "a further variable": { env: { PIDFD_TEST: "1" } },
  "a variable that it has, too": { env: { PATH: "/somewhere:/bin" } },
  "one without a value": { env: { PIDFD_TEST: "" } },
  "values of all kinds": { env: { A: "a=b", B: " x ", C: "1\n2", "ä ö": "日本語 😀", D: "$A" } },
  "an empty env": { env: {} },
  "clearEnv: false": { env: { PIDFD_TEST: "1" }, clearEnv: false },
  "clearEnv without env": { clearEnv: true },
  "clearEnv with env": { clearEnv: true, env: { A: "1", B: "2" } },
};

for (const [name, options] of Object.entries(ENVIRONMENTS)) {
  Deno.test(`spawn() gives the child the environment that Deno does: ${name}`, async () => {
    assertEquals(await environmentOf(options), await environmentByDeno(options));
  });
}

Deno.test("spawn() gives the child the environment that this program has now", async () => {
  const name = "PIDFD_TEST_NOW";
  const find = async () => (await environmentOf({})).filter((line) => line.startsWith(`${name}=`));
  assertEquals(await find(), []);
  Deno.env.set(name, "ä");
  try {
    assertEquals(await find(), [`${name}=ä`]);
  } finally {
    Deno.env.delete(name);
  }
  assertEquals(await find(), []);
});

Deno.test("spawn() gives the child nothing but env with clearEnv", async () => {
  assertEquals(await environmentOf({ clearEnv: true, env: { B: "2", A: "1" } }), ["A=1", "B=2"]);
  assertEquals(await environmentOf({ clearEnv: true }), []);
});

/** A shell's command that prints the arguments that it was started with, each on its line. */
const PRINT_ARGUMENTS = `tr '\\0' '\\n' < /proc/$$/cmdline`;

Deno.test("spawn() calls a program by its path unless argv0 says otherwise", async () => {
  const args = ["-c", PRINT_ARGUMENTS];
  const rest = `-c\n${PRINT_ARGUMENTS}\n`;
  assertEquals((await runBoth("/bin/sh", { args })).stdout, `/bin/sh\n${rest}`);
  for (const argv0 of ["-sh", "another name", "ä", ""]) {
    assertEquals((await run("/bin/sh", { args, argv0 })).stdout, `${argv0}\n${rest}`);
  }
});

Deno.test("spawn() looks a name up in the PATH that the child gets", async () => {
  using folder = new Folder();
  for (const name of ["first", "second", "third"]) {
    Deno.mkdirSync(folder.at(name));
    writeScript(folder.at(`${name}/${name}-tool`), `#!/bin/sh\necho ${name} "$0"\n`);
  }
  // Neither what isn't executable nor a folder hides what comes behind.
  Deno.writeTextFileSync(folder.at("first/third-tool"), "#!/bin/sh\necho wrong\n");
  Deno.mkdirSync(folder.at("second/third-tool"));
  const PATH = ["first", "second", "third"].map((name) => folder.at(name)).join(":");
  for (const name of ["first", "second", "third"]) {
    const tool = `${name}-tool`;
    for (const clearEnv of [false, true]) {
      const { stdout } = await runBoth(tool, { env: { PATH }, clearEnv });
      assertEquals(stdout, `${name} ${folder.at(name)}/${tool}\n`);
    }
    assertThrows(() => spawn(tool), SyscallError, "ENOENT");
  }
});

Deno.test("spawn() looks a name up in the usual folders where there is no PATH", async () => {
  const { stdout } = await runBoth("env", { clearEnv: true, env: { A: "1" } });
  assertEquals(stdout, "A=1\n");
});

Deno.test("spawn() takes an empty element of the PATH as the folder that the child starts in", async () => {
  using folder = new Folder();
  writeScript(folder.at("pidfd-test-tool"), "#!/bin/sh\necho found\n");
  for (const PATH of ["", ":/bin", "/none:", "/none::/bin", "."]) {
    const { stdout } = await run("pidfd-test-tool", { cwd: folder.path, env: { PATH } });
    assertEquals(stdout, "found\n", PATH);
  }
});

Deno.test("spawn() never looks in the PATH for what has a slash in it", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.at("sub"));
  writeScript(folder.at("sub/tool"), "#!/bin/sh\necho found\n");
  const env = { PATH: folder.path };
  assertThrows(() => spawn("sub/tool", { env }), SyscallError, "ENOENT");
  assertEquals((await runBoth(folder.at("sub/tool"), { env })).stdout, "found\n");
});

Deno.test("spawn() takes a command's relative path from where the child starts", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.at("sub"));
  writeScript(folder.at("sub/tool"), "#!/bin/sh\npwd\n");
  for (const [command, cwd] of [["./tool", "sub"], ["../sub/tool", "sub"], ["sub/tool", ""]]) {
    const { stdout } = await runBoth(command, { cwd: folder.at(cwd) });
    assertEquals(stdout, `${folder.at(cwd).replace(/\/$/, "")}\n`, command);
  }
});

Deno.test("spawn() takes a command's relative path from where the child starts, if that is relative itself", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.at("sub/bin"), { recursive: true });
  writeScript(folder.at("sub/tool"), "#!/bin/sh\npwd\n");
  writeScript(folder.at("sub/bin/pidfd-test-tool"), "#!/bin/sh\npwd\n");
  using _cwd = inFolder(folder.path);
  const expected = `${folder.at("sub")}\n`;
  assertEquals((await runBoth("./tool", { cwd: "sub" })).stdout, expected);
  const env = { PATH: "bin" };
  assertEquals((await run("pidfd-test-tool", { cwd: "sub", env })).stdout, expected);
});

Deno.test("spawn() takes a command's relative path from this program's folder without cwd", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.at("sub"));
  writeScript(folder.at("sub/tool"), "#!/bin/sh\npwd\n");
  using _cwd = inFolder(folder.path);
  assertEquals((await runBoth("sub/tool")).stdout, `${folder.path}\n`);
  assertEquals((await runBoth("./sub/tool")).stdout, `${folder.path}\n`);
});

Deno.test("spawn() takes a file URL as a command", async () => {
  using folder = new Folder();
  const path = folder.at("a tool, 100% ä#?");
  writeScript(path, `#!/bin/sh\necho "$0"\n`);
  assertEquals((await runBoth(toFileUrl(path))).stdout, `${path}\n`);
});

Deno.test("spawn() reads a file URL as Deno does where a % begins no escape", async () => {
  using folder = new Folder();
  for (const name of ["100%", "%zz", "a%2"]) {
    writeScript(folder.at(name), `#!/bin/sh\necho "$0"\n`);
    const url = new URL(`file://${folder.path}/${name}`);
    assertEquals((await runBoth(url)).stdout, `${folder.at(name)}\n`);
    assertThrows(() => spawn(new URL(`file://host${folder.path}/${name}`)), TypeError, "host");
  }
});

Deno.test("spawn() has the shell run a script that names no interpreter", async () => {
  using folder = new Folder();
  const script = folder.at("script");
  writeScript(script, `echo "$0" "$#" "$1"\n`);
  const { stdout } = await runBoth(script, { args: ["a b", ""] });
  assertEquals(stdout, `${script} 2 a b\n`);
  const PATH = `${folder.path}:/bin`;
  assertEquals((await runBoth("script", { env: { PATH } })).stdout, `${script} 0 \n`);
});

/** Has this program work in another folder until the end of the block. */
function inFolder(path: string): Disposable {
  const before = Deno.cwd();
  Deno.chdir(path);
  return { [Symbol.dispose]: () => Deno.chdir(before) };
}

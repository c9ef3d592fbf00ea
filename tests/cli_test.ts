/**
 * The command `pidfd` before it comes to any of its commands.
 *
 * @module
 */

import { assertEquals, assertLessOrEqual, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { assertFails, output } from "./support/cli.ts";
import { ROOT, runForValue } from "./support/processes.ts";

const COMMANDS = "run wait kill find tree info ref features completion man".split(" ");

for (const option of ["--help", "-h", "help"]) {
  Deno.test(`pidfd ${option} lists all commands, and where to read on`, async () => {
    const help = await output([option]);
    const [, list] = /^Commands:\n((?: {2}\S.*\n)+)/m.exec(help)!;
    assertEquals(list.match(/^ {2}\w+/gm)!.map((name) => name.trim()), COMMANDS);
    assertStringIncludes(help, "pidfd COMMAND --help");
  });
}

for (const command of COMMANDS) {
  Deno.test(`pidfd ${command} --help tells all about it`, async () => {
    const help = await output([command, "--help"]);
    assertMatch(help, new RegExp(`^Usage: pidfd ${command} `));
    for (const part of ["Options:", "--help", "Exit code:", "Examples:", `  pidfd ${command} `]) {
      assertStringIncludes(help, part);
    }
    for (const line of help.split("\n")) assertLessOrEqual(line.length, 100, line);
  });

  Deno.test(`pidfd help ${command} tells the same`, async () => {
    assertEquals(await output(["help", command]), await output([command, "-h"]));
  });

  Deno.test(`pidfd ${command} refuses an option that it doesn't have`, async () => {
    await assertFails(
      [command, "--nonsense"],
      125,
      new RegExp(`'--nonsense' \\(pidfd ${command} --help tells more\\)$`, "m"),
    );
  });
}

for (const option of ["--version", "-V"]) {
  Deno.test(`pidfd ${option} is that of the package`, async () => {
    assertEquals(await output([option]), `pidfd ${config.version}\n`);
  });
}

Deno.test("pidfd names the command that may have been meant", async () => {
  const cases = { rnu: "run", kil: "kill", WAIT: "wait", feature: "features" };
  for (const [wrong, right] of Object.entries(cases)) {
    const message = new RegExp(`there is no command ${wrong}: did you mean ${right}\\? \\(`);
    await assertFails([wrong], 125, message);
  }
});

Deno.test("pidfd names the option that may have been meant", async () => {
  const cases = {
    "--vers": "--version",
    "--hlep": "--help",
    "--nonsense": undefined,
    "-x": undefined,
  };
  for (const [wrong, right] of Object.entries(cases)) {
    const advice = right === undefined ? "" : `: did you mean ${right}\\?`;
    await assertFails(
      [wrong],
      125,
      new RegExp(`unknown option '${wrong}'${advice} \\(pidfd --help`),
    );
  }
});

Deno.test("pidfd help help tells what there is help for", async () => {
  assertEquals(await output(["help", "help"]), await output(["help"]));
});

Deno.test("pidfd without a command says that one is needed", async () => {
  await assertFails([], 125, /^pidfd: a command is needed \(pidfd --help tells more\)$/m);
});

for (const name of ["nonsense", "", "two\nlines"]) {
  Deno.test(`pidfd says that there is no command ${JSON.stringify(name)}`, async () => {
    await assertFails([name], 125, /there is no command .*\(pidfd --help tells more\)$/m);
  });
}

const NEEDING_LIBC = ["run true", "wait 1", "kill 1", "info 1", "ref 1", "features"];

for (const line of NEEDING_LIBC) {
  Deno.test(`pidfd ${line} says which permission it needs, if it hasn't got it`, async () => {
    await assertFails(line.split(" "), 125, /run with --allow-ffi/, { permissions: [] });
  });
}

Deno.test("pidfd --help and --version need no permission", async () => {
  for (const args of [["--help"], ["--version"], ["wait", "--help"]]) {
    assertMatch(await output(args, { permissions: [] }), /pidfd/);
  }
});

Deno.test("pidfd takes no other permission for the one that it needs", async () => {
  const permissions = ["--allow-run", "--allow-read", "--allow-sys"];
  await assertFails(["run", "true"], 125, /run with --allow-ffi/, { permissions });
});

Deno.test("cli.ts does nothing for a program that imports it, and gives it nothing", async () => {
  const url = JSON.stringify(`file://${ROOT}cli.ts`);
  const code = `console.log(JSON.stringify(Object.keys(await import(${url}))))`;
  assertEquals(await runForValue(code, []), []);
});

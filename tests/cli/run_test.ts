/**
 * `pidfd run`: the command gets what it is given, and what it returns is passed on. How it is
 * ended is in run_end_test.ts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { basename } from "@std/path";
import { CGROUPS, hasCgroups, TestCgroup } from "../support/cgroups.ts";
import { isZombie } from "../support/children.ts";
import { assertFails, commandLine, output, pidfd, start } from "../support/cli.ts";
import { writeScript } from "../support/commands.ts";
import { eventually, PATIENCE } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder, pattern } from "../support/sockets.ts";

for (const code of [0, 7, 255]) {
  Deno.test(`pidfd run exits with ${code}, as the command does`, async () => {
    const finished = await pidfd(["run", "sh", "-c", `exit ${code}`]);
    assertEquals(finished, { code, stdout: "", stderr: "" });
  });
}

for (const [signal, code] of [["TERM", 143], ["KILL", 137], ["40", 168]] as const) {
  Deno.test(`pidfd run exits with ${code} if signal ${signal} killed the command`, async () => {
    const finished = await pidfd(["run", "sh", "-c", `kill -${signal} $$`]);
    assertEquals(finished, { code, stdout: "", stderr: "" });
  });
}

Deno.test("pidfd run takes the command for no orphan, even if it sees the end late", async () => {
  // There nobody but whoever reaps a child can know how it ended.
  await using cli = start(["run", "sh", "-c", "echo $$; read _; exit 7"], { onOldSystem: true });
  const command = Number(await cli.line());
  cli.kill("SIGSTOP");
  await cli.say("");
  await eventually("the command ended", () => isZombie(command));
  cli.kill("SIGCONT");
  assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
});

Deno.test("pidfd run keeps standard output and standard error apart", async () => {
  const finished = await pidfd(["run", "sh", "-c", "echo out; echo err >&2"]);
  assertEquals(finished, { code: 0, stdout: "out\n", stderr: "err\n" });
});

Deno.test("pidfd run passes on what it is given to read, while it comes", async () => {
  await using cli = start(["run", "sh", "-c", "while read line; do echo got $line; done"]);
  for (const line of ["one", "two"]) {
    await cli.say(line);
    assertEquals(await cli.line(), `got ${line}`);
  }
  assertEquals(await cli.finished(), { code: 0, stdout: "", stderr: "" });
});

Deno.test("pidfd run changes no byte of what goes through", async () => {
  const bytes = pattern(1_000_000);
  const [path, ...args] = commandLine(["run", "cat"]);
  const stdio = { stdin: "piped", stdout: "piped" } as const;
  const child = new Deno.Command(path, { args, ...stdio }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const { code, stdout } = await deadline(child.output(), PATIENCE);
  await written;
  assertEquals(code, 0);
  assertEquals(stdout.length, bytes.length);
  assertEquals(stdout.findIndex((byte, i) => byte !== bytes[i]), -1);
});

Deno.test("pidfd run gives the command its own environment and working directory", async () => {
  const env = { PIDFD_TEST_VARIABLE: "two words" };
  const script = 'echo "$PIDFD_TEST_VARIABLE"; pwd';
  const cwd = Deno.realPathSync(".");
  assertEquals(await output(["run", "sh", "-c", script], { env }), `two words\n${cwd}\n`);
});

const ARGUMENTS = [
  "",
  "two words",
  "it's",
  '"',
  "$HOME",
  "*",
  "\\",
  "a\nb",
  "-h",
  "--timeout",
  "ä",
];

for (const separator of [[], ["--"]]) {
  const line = ["run", ...separator, "COMMAND"].join(" ");

  Deno.test(`pidfd ${line} gives it all arguments as they are`, async () => {
    const stdout = await output(["run", ...separator, "printf", "<%s>", ...ARGUMENTS]);
    assertEquals(stdout, ARGUMENTS.map((argument) => `<${argument}>`).join(""));
  });

  Deno.test(`pidfd ${line} leaves a later -- to it`, async () => {
    assertEquals(await output(["run", ...separator, "echo", "--", "x", "--"]), "-- x --\n");
  });
}

Deno.test("pidfd run -- takes a command whose name begins with a dash", async () => {
  using folder = new Folder();
  writeScript(folder.at("-odd"), "#!/bin/sh\necho odd $1\n");
  const env = { PATH: `${folder.path}:${Deno.env.get("PATH")}` };
  assertEquals(await output(["run", "--", "-odd", "--help"], { env }), "odd --help\n");
});

Deno.test("pidfd run takes its own options before the command alone", async () => {
  const args = ["--timeout=1h", "--grace", "0s", "echo", "--timeout=x", "--grace"];
  assertEquals(await output(["run", ...args]), "--timeout=x --grace\n");
});

Deno.test("pidfd run says which command isn't there", async () => {
  using folder = new Folder();
  const none = folder.at("none");
  await assertFails(
    ["run", "no-such-command"],
    127,
    /^pidfd: no-such-command: not found in the PATH$/m,
  );
  await assertFails(["run", none], 127, new RegExp(`^pidfd: ${none}: not found$`, "m"));
  await assertFails(["run", "--", "--help"], 127, /^pidfd: --help: not found in the PATH$/m);
  const script = folder.at("script");
  writeScript(script, `#!${none}\n`);
  const message = `^pidfd: ${script}: the interpreter that it names isn't there$`;
  await assertFails(["run", script], 127, new RegExp(message, "m"));
});

Deno.test("pidfd run says which file can't be executed, and exits with 126", async () => {
  using folder = new Folder();
  const file = folder.at("file");
  Deno.writeTextFileSync(file, "");
  const loop = folder.at("loop");
  Deno.symlinkSync("loop", loop);
  const long = folder.at("x".repeat(300));
  const binary = folder.at("binary");
  writeScript(binary, "\x7fELF and nothing else");
  const cases = [
    [file, "permission denied"],
    [folder.path, "permission denied"],
    [`${file}/below`, "part of the path is no folder"],
    [loop, "too many symbolic links"],
    [long, "the name is too long"],
  ];
  for (const [path, words] of cases) {
    await assertFails(["run", path], 126, new RegExp(`^pidfd: ${path}: ${words}$`, "m"));
  }
  const busy = folder.at("busy");
  writeScript(busy, "#!/bin/sh\n");
  using _writer = Deno.openSync(busy, { write: true });
  await assertFails(
    ["run", busy],
    126,
    new RegExp(`^pidfd: ${busy}: it is open for writing$`, "m"),
  );
  const env = { PATH: folder.path };
  await assertFails(["run", "file"], 126, /^pidfd: file: permission denied$/m, { env });
  // A quarter of the stack is for arguments. execve(2)
  const tooMuch = ["run", "--limit", "stack=512K", "true", ...Array(2).fill("x".repeat(100_000))];
  await assertFails(tooMuch, 126, /^pidfd: true: too many arguments, or /m);
});

for (const args of [[], ["--"], ["--timeout", "3s"], ["--grace=3s", "--"]]) {
  Deno.test(`pidfd ${["run", ...args].join(" ")} needs a command`, async () => {
    await assertFails(["run", ...args], 125, /a command is needed \(pidfd run --help tells more\)/);
  });
}

Deno.test("pidfd run does not find a command without a name", async () => {
  await assertFails(["run", ""], 127, /^pidfd: '': not found$/m);
});

for (const option of ["--timeout", "--grace"]) {
  Deno.test(`pidfd run ${option} takes nothing but a duration, and starts nothing`, async () => {
    const message = new RegExp(`${option} must be a duration such as 0.5, .* --help tells more`);
    await assertFails(["run", `${option}=-3s`, "echo", "started"], 125, message);
    await assertFails(["run", option, "3 s", "echo", "started"], 125, message);
  });

  Deno.test(`pidfd run ${option} without a duration starts nothing`, async () => {
    const message = new RegExp(`'${option}' needs a value, D .*--help tells more`);
    await assertFails(["run", option], 125, message);
    await assertFails(["run", option, "--", "echo"], 125, message);
  });
}

for (const args of [["--json"], ["--no-timeout"], ["-x"], ["--timeout=1s", "--nonsense"]]) {
  Deno.test(`pidfd run ${args.join(" ")} starts nothing`, async () => {
    await assertFails(
      ["run", ...args, "echo", "started"],
      125,
      /unknown option '.*--help tells more/,
    );
  });
}

Deno.test("pidfd run --cgroup says what is no cgroup, and starts nothing", async () => {
  using folder = new Folder();
  const args = (path: string) => ["run", "--cgroup", path, "echo", "started"];
  await assertFails(args(folder.path), 125, new RegExp(`cgroup.*${folder.path}`));
  await assertFails(args(folder.at("none")), 125, new RegExp(`ENOENT.*${folder.at("none")}`));
});

Deno.test({
  ...needing(
    CGROUPS,
    hasCgroups,
    "pidfd run --cgroup runs the command there, on old systems as well",
  ),
  async fn() {
    await using cgroup = new TestCgroup();
    for (const onOldSystem of [false, true]) {
      const args = ["run", "--cgroup", cgroup.path, "cat", "/proc/self/cgroup"];
      const [, path] = /^0::(.*)$/m.exec(await output(args, { onOldSystem }))!;
      assertEquals(basename(path), basename(cgroup.path));
    }
  },
});

/**
 * `pidfd run`: what a command gets is what it would get without.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { originalOpenFiles, rawArguments } from "../../cli/passing_on.ts";
import { commandLine, output, pidfd, start } from "../support/cli.ts";
import { heeding, STARTS_EARLY } from "../support/ignored_signals.ts";
import { works } from "../support/privileges.ts";
import { eventually } from "../support/processes.ts";
import { readProc } from "../support/proc.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";

const BASH = ["bash, and its process substitution", works(["bash", "-c", "cat <(true)"])] as const;

Deno.test("pidfd run calls the command by the name that it was given", async () => {
  for (const name of ["sh", "/bin/sh"]) {
    const { stdout } = await pidfd(["run", name, "-c", "echo $0"]);
    assertEquals(stdout, `${name}\n`);
  }
});

Deno.test(needing(...BASH, "pidfd run passes on a shell's process substitution"), async () => {
  const prefix = ["bash", "-c", '"$@" <(echo one) <(echo two)', "bash"];
  assertEquals(await output(["run", "cat"], { prefix }), "one\ntwo\n");
});

Deno.test("pidfd run passes on open files with their numbers, and no others", async () => {
  using folder = new Folder();
  const file = folder.at("file");
  const prefix = ["sh", "-c", `exec 3>"$0" 7<"$0"; exec "$@"`, file];
  const script = "echo written >&3; cat <&7; ls /proc/self/fd";
  // This test has inherited some itself, perhaps.
  const [path, ...args] = [...prefix, "sh", "-c", script];
  const without = new TextDecoder().decode(
    (await new Deno.Command(path, { args }).output()).stdout,
  );
  assertMatch(without, /^written\n(\d+\n)*3\n(\d+\n)*7\n/);
  Deno.truncateSync(file);
  assertEquals(await output(["run", "sh", "-c", script], { prefix }), without);
});

Deno.test("pidfd run passes on bytes that aren't UTF-8", async () => {
  const prefix = [
    "sh",
    "-c",
    `exec "$@" "$(printf 'a\\377b\\303')" ä "$(printf '\\357\\277\\275')"`,
    "sh",
  ];
  const script = 'printf "%s|" "$@" | od -An -tx1';
  const stdout = await output(["run", "sh", "-c", script, "sh"], { prefix });
  assertEquals(stdout, " 61 ff 62 c3 7c c3 a4 7c ef bf bd 7c\n");
});

Deno.test("pidfd run refuses to guess what command has a name that isn't UTF-8", async () => {
  const prefix = ["sh", "-c", `exec "$@" "$(printf 'a\\377b')"`, "sh"];
  const { code, stderr } = await pidfd(["run"], { prefix });
  assertEquals(code, 125);
  assertMatch(stderr, /^pidfd: the command's name isn't UTF-8/);
});

Deno.test("rawArguments() needs no /proc for what is UTF-8", () => {
  assertEquals(rawArguments(["a", "ä", ""]), ["a", "ä", ""]);
});

for (const signal of ["HUP", "INT", "USR1", "TERM"] as const) {
  const name = `pidfd run leaves ${signal} ignored that it was started with so`;
  Deno.test(needing(...STARTS_EARLY, name), async () => {
    // By nohup(1), or by a shell that puts it into the background.
    const prefix = ["sh", "-c", `trap '' ${signal}; exec "$@"`, "sh"];
    const script = `kill -${signal} $$; echo here; read _; exit 7`;
    await using cli = start(["run", "sh", "-c", script], { prefix });
    assertEquals(await cli.line(), "here");
    cli.kill(`SIG${signal}`);
    await cli.say("");
    assertEquals(await cli.finished(), { code: 7, stdout: "", stderr: "" });
  });
}

Deno.test("pidfd run gives back the soft limit on open files that Deno has raised", async () => {
  const prefix = ["sh", "-c", 'ulimit -Sn 200; "$@"; :', "sh"];
  const script = "ulimit -Sn; ulimit -Hn";
  const [soft, hard] = (await output(["run", "sh", "-c", script], { prefix })).split("\n");
  assertEquals(soft, "200");
  assertEquals(Number(hard) > 200 || hard === "unlimited", true, hard);
});

Deno.test("pidfd run leaves a limit on open files that its parent doesn't have", async () => {
  const prefix = ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh"];
  assertEquals(await output(["run", "sh", "-c", "ulimit -n"], { prefix }), "200\n");
});

Deno.test("originalOpenFiles() puts nothing right in a program that was started by Deno", () => {
  // This test's parent is Deno, too, which has raised its own already.
  const limits = readProc("self/limits")!;
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(limits)!;
  if (soft === hard) assertEquals(originalOpenFiles()?.soft !== Number(soft), true);
});

const PASSED_ON = ["QUIT", "USR1", "USR2", "WINCH", "CONT", "ALRM", "PWR", "URG", "XCPU"] as const;

for (const signal of PASSED_ON) {
  const name = `pidfd run passes SIG${signal} on to the command, once, and goes on`;
  Deno.test(needing(...heeding(`SIG${signal}`), name), async () => {
    const script = `trap 'echo got ${signal}' ${signal}; trap 'exit 7' TERM; echo ready
      while :; do sleep 0.01; done`;
    await using cli = start(["run", "sh", "-c", script]);
    assertEquals(await cli.line(), "ready");
    if (signal === "CONT") {
      const command = Number(await commandOf(cli.pid));
      Deno.kill(command, "SIGSTOP");
      await eventually("it stopped", () => readProc(`${command}/stat`)?.includes(") T ") === true);
    }
    cli.kill(`SIG${signal}`);
    assertEquals(await cli.line(), `got ${signal}`);
    assertEquals(cli.hasEnded, false);
    cli.kill("SIGTERM");
    const { code, stdout } = await cli.finished();
    assertEquals([code, stdout], [7, ""]);
  });
}

/** The PID of the command that `pidfd run` runs. */
async function commandOf(pid: number): Promise<string> {
  let child = "";
  await eventually("it has a child", () => {
    child = readProc(`${pid}/task/${pid}/children`)?.trim() ?? "";
    return child !== "";
  });
  return child;
}

const MAKE = ["make", works(["make", "--version"])] as const;

Deno.test(needing(...MAKE, "pidfd run passes on make's jobserver"), async () => {
  using folder = new Folder();
  const line = ["+" + commandLine(["run", "make", "-f", "inner"]).join(" ")];
  Deno.writeTextFileSync(folder.at("Makefile"), `all:\n\t@${line}\n`);
  Deno.writeTextFileSync(folder.at("inner"), "all: a b\na b:\n\t@echo $@\n");
  const { code, stdout, stderr } = await new Deno.Command("make", {
    args: ["-j2", "--no-print-directory"],
    cwd: folder.path,
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals([code, text.includes("jobserver unavailable")], [0, false], text);
});

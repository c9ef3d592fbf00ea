/**
 * The cases of parity_test.ts. As a program, it runs all of them with inherited streams, by
 * `spawn` of this library (`ours`) or of Deno (`denos`), and tells each outcome.
 *
 * @module
 */

import { spawn } from "../../mod.ts";
import { textOf } from "./output_text.ts";

const SHELL = "/bin/sh";
const sh = (script: string) => ({ args: ["-c", script] });

/** Tells each of the three standard streams: what kind of file it is. */
const STREAMS = `for fd in 0 1 2; do
  f=$(readlink /proc/$$/fd/$fd); echo "$fd \${f%%:*}" >&3; done 3>&1`;

const root = Deno.uid() === 0;

/** Each case: what it is about, the command, and its options. */
export const CASES: readonly [name: string, command: string | URL, options: Deno.CommandOptions][] =
  [
    ["a success", "true", {}],
    ["a code", SHELL, sh("exit 42")],
    ["the highest code", SHELL, sh("exit 255")],
    ["a signal", SHELL, sh("kill -KILL $$")],
    ["a handled signal", SHELL, sh("trap 'exit 3' TERM; kill -TERM $$; sleep 1")],
    ["both streams", SHELL, sh("echo out; echo err >&2")],
    ["a megabyte on each stream", SHELL, sh("head -c 1000000 /dev/zero | tee /dev/stderr")],
    ["bytes that are no text", "printf", { args: ["\\377\\000\\376"] }],
    ["no arguments", "echo", { args: [] }],
    ["odd arguments", "printf", { args: ["%s|", "", " a b ", "$HOME", "ä😀", "-n"] }],
    ["a path", "/bin/echo", { args: ["a"] }],
    ["a URL", new URL("file:///bin/echo"), { args: ["a"] }],
    ["the name that it sees", SHELL, sh("tr '\\0' '\\n' < /proc/$$/cmdline")],
    ["cwd", "pwd", { cwd: "/usr" }],
    ["cwd as a URL", "pwd", { cwd: new URL("file:///usr") }],
    ["a command by its place in cwd", "./echo", { cwd: "/bin", args: ["a"] }],
    ["env", SHELL, { ...sh("echo $A-$B-${HOME:+home}"), env: { A: "1", B: "ä" } }],
    ["env in place of a variable", SHELL, { ...sh("echo $HOME"), env: { HOME: "/x" } }],
    ["an empty variable", SHELL, { ...sh("echo ${A-unset}"), env: { A: "" } }],
    ["clearEnv", "/usr/bin/env", { clearEnv: true }],
    ["clearEnv with env", "/usr/bin/env", { clearEnv: true, env: { A: "1" } }],
    ["PATH of env", "pidfd-none", { env: { PATH: "/nope" } }],
    ["detached", SHELL, {
      ...sh("[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leads"),
      detached: true,
    }],
    ["windowsRawArguments", "echo", { args: ["a b"], windowsRawArguments: true }],
    ["undefined options", "echo", {
      args: undefined,
      cwd: undefined,
      env: undefined,
      uid: undefined,
    }],
    ["stdin: null", "cat", { stdin: "null" }],
    ["stdout: null", SHELL, { ...sh("echo out; echo err >&2"), stdout: "null" }],
    ["stderr: null", SHELL, { ...sh("echo out; echo err >&2"), stderr: "null" }],
    ["all null", SHELL, { ...sh("cat; echo out"), stdin: "null", stdout: "null", stderr: "null" }],
    ["the kinds of its streams", SHELL, sh(STREAMS)],
    ["no file", "/nope", {}],
    ["no command of that name", "pidfd-none", {}],
    ["a file that isn't executable", "/etc/passwd", {}],
    ["a folder", "/etc", {}],
    ["a file as a folder", "/etc/passwd/x", {}],
    ["no cwd", "true", { cwd: "/nope" }],
    ["a file as cwd", "true", { cwd: "/etc/passwd" }],
    ["a NUL in an argument", "true", { args: ["a\0b"] }],
    ["a NUL in a variable", "true", { env: { A: "a\0b" } }],
    ["a URL that is no file's", new URL("http://localhost/"), {}],
    ...(root
      ? [
        ["uid", "id", { args: ["-u"], uid: 65534 }],
        ["gid", "id", { args: ["-g"], gid: 65534 }],
        ["uid and its groups", "id", { args: ["-G"], uid: 65534, gid: 65534 }],
      ] as [string, string, Deno.CommandOptions][]
      : [["a uid that this user may not have", "true", { uid: 0 }]] as [
        string,
        string,
        Deno.CommandOptions,
      ][]),
  ];

/** What the outcome of a case can differ in. */
export interface Outcome {
  readonly code?: number;
  readonly signal?: string | null;
  readonly stdout?: string;
  readonly stderr?: string;
  /** The classes that its error is an instance of. */
  readonly error?: readonly string[];
}

/** The classes that Deno has for what can be in the way of a start. */
const CLASSES: Record<string, new () => Error> = {
  TypeError,
  NotFound: Deno.errors.NotFound,
  PermissionDenied: Deno.errors.PermissionDenied,
  NotADirectory: Deno.errors.NotADirectory,
};

/** The outcome of one call, whether it throws, rejects or ends. */
export async function outcomeOf(
  call: () => Deno.CommandOutput | Promise<Deno.CommandOutput>,
): Promise<Outcome> {
  try {
    const output = await call();
    const { code, signal } = output;
    const [stdout, stderr] = [textOf(() => output.stdout), textOf(() => output.stderr)];
    return { code, signal, stdout, stderr };
  } catch (error) {
    const classes = Object.entries(CLASSES).filter(([, one]) => error instanceof one);
    if (classes.length === 0) throw error;
    return { error: classes.map(([name]) => name) };
  }
}

/** Runs all cases with inherited streams; what they write comes between the marks. */
async function runInherited(start: typeof Deno.spawn): Promise<void> {
  for (const [name, command, options] of CASES) {
    for (const stream of [Deno.stdout, Deno.stderr]) {
      stream.writeSync(new TextEncoder().encode(`\n== ${name}\n`));
    }
    const outcome = await outcomeOf(() => start(command, options).output());
    console.log(JSON.stringify(outcome));
  }
}

if (import.meta.main) await runInherited(Deno.args[0] === "ours" ? spawn : Deno.spawn);

/**
 * `pidfd run` beside timeout(1): the same exit code and the same effect, or a difference that README
 * tells of.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { pidfd, plainEnv } from "../support/cli.ts";
import { canRun, needing } from "../support/skip.ts";
import { Mark } from "../support/trees.ts";

/** What both say and do, or each of them. */
type Result = readonly [code: number, stdout: string];

interface Case {
  /** The options of both, if they are the same ones, or each one's. */
  readonly options: string | { readonly timeout: string; readonly run: string };
  /** A shell's command; without it, there is none. */
  readonly script?: string;
  readonly command?: readonly string[];
  readonly same?: Result;
  /** What differs, and is documented. */
  readonly differs?: { readonly timeout: Result; readonly run: Result };
}

const DEAF = "trap '' TERM; i=0; while [ $i -lt 300 ]; do sleep 0.01; i=$((i+1)); done; echo here";
const POLITE = (signal: string) =>
  `trap 'echo ${signal}; exit 3' ${signal}; while :; do sleep 0.01; done`;

const CASES: Readonly<Record<string, Case>> = {
  "a command that ends in time": { options: "10", script: "echo out; exit 7", same: [7, "out\n"] },
  "a command that kills itself": { options: "10", script: "kill -TERM $$", same: [143, ""] },
  "a command that is killed by SIGKILL": {
    options: "10",
    script: "kill -KILL $$",
    same: [137, ""],
  },
  "a command that takes too long": { options: "0.2", script: "exec sleep 60", same: [124, ""] },
  "a time in seconds": { options: "1s", script: "exit 0", same: [0, ""] },
  "a time in days": { options: "1d", script: "exit 0", same: [0, ""] },
  "no time": { options: "0", script: "sleep 0.3; echo out", same: [0, "out\n"] },
  "a command that ends well when asked to": {
    options: "0.5",
    script: POLITE("TERM"),
    same: [124, "TERM\n"],
  },
  "another signal": { options: "-s INT 0.5", script: POLITE("INT"), same: [124, "INT\n"] },
  "another signal by its number": {
    options: "--signal=12 0.5",
    script: POLITE("USR2"),
    same: [124, "USR2\n"],
  },
  "the command's own status": {
    options: "--preserve-status 0.5",
    script: POLITE("TERM"),
    same: [3, "TERM\n"],
  },
  "the command's own status, killed": {
    options: "--preserve-status 0.2",
    script: "exec sleep 60",
    same: [143, ""],
  },
  "the command's own status, killed by SIGKILL": {
    options: "--preserve-status -k 0.1 0.2",
    script: DEAF,
    same: [137, ""],
  },
  "a command that ignores SIGTERM": {
    options: "-k 0.1 0.2",
    script: DEAF,
    differs: { timeout: [137, ""], run: [124, ""] },
  },
  "SIGKILL at once": {
    options: "-s KILL 0.2",
    script: DEAF,
    differs: { timeout: [137, ""], run: [124, ""] },
  },
  "as much time to end as it takes": {
    options: { timeout: "0.2", run: "-k infinity 0.2" },
    script: DEAF,
    same: [124, "here\n"],
  },
  "no such command": { options: "10", command: ["/no/such/command"], same: [127, ""] },
  "a name that isn't in the PATH": { options: "10", command: ["no-such-command"], same: [127, ""] },
  "a file that can't be executed": { options: "10", command: ["/etc/passwd"], same: [126, ""] },
  "a folder": { options: "10", command: ["/tmp"], same: [126, ""] },
  "no command": { options: "10", command: [], same: [125, ""] },
  "no duration": { options: "ten", script: "echo started", same: [125, ""] },
  "a negative duration": { options: "-- -1", script: "echo started", same: [125, ""] },
  "an option that isn't there": { options: "--nonsense 10", script: "echo", same: [125, ""] },
  "a signal that isn't there": { options: "-s NONSENSE 10", script: "echo", same: [125, ""] },
};

const TIMEOUT = [
  "timeout of coreutils",
  canRun("sh", ["-c", "timeout --version | grep -q coreutils"]),
] as const;

async function runTimeout(args: readonly string[]): Promise<Result> {
  await using mark = new Mark();
  const env = { ...plainEnv(), ...mark.env };
  const command = new Deno.Command("timeout", {
    args: [...args],
    env,
    clearEnv: true,
    stdin: "null",
    stderr: "null",
  });
  const { code, stdout } = await command.output();
  return [code, new TextDecoder().decode(stdout)];
}

for (const [name, { options, script, command, same, differs }] of Object.entries(CASES)) {
  const line = script === undefined ? command! : ["sh", "-c", script];
  const what = differs ? "differs from timeout(1) in" : "is as timeout(1) with";
  Deno.test(needing(...TIMEOUT, `pidfd run ${what} ${name}`), async () => {
    const [ofTimeout, ofRun] = typeof options === "string"
      ? [options, options]
      : [options.timeout, options.run];
    const theirs = await runTimeout([...ofTimeout.split(" "), ...line]);
    // Its duration is an argument, ours is an option.
    const words = ofRun.split(" ").filter((word) => word !== "--");
    const ours = ["run", ...words.slice(0, -1), `--timeout=${words.at(-1)}`, "--", ...line];
    const { code, stdout } = await pidfd(ours);
    assertEquals(theirs, differs?.timeout ?? same!);
    assertEquals([code, stdout], [...differs?.run ?? same!]);
  });
}

Deno.test(needing(...TIMEOUT, "pidfd run ends what timeout(1) leaves running"), async () => {
  const script = "sleep 60 >/dev/null 2>&1 & echo $!";
  await using mark = new Mark();
  const env = { ...plainEnv(), ...mark.env };
  const args = ["10", "sh", "-c", script];
  const { stdout } = await new Deno.Command("timeout", { args, env, stdin: "null" }).output();
  const left = Number(new TextDecoder().decode(stdout));
  assertEquals(mark.pids(), [left]);
  const ended = await pidfd(["run", "--timeout=10", "sh", "-c", script]);
  assertEquals([ended.code, /^\d+\n$/.test(ended.stdout)], [0, true]);
  const gone = Number(ended.stdout);
  assertEquals(left === gone, false);
});

/**
 * A terminal for a command, and what a person would see on it.
 *
 * @module
 */

import { deadline } from "@std/async";
import { plainEnv } from "./cli.ts";
import { eventually, PATIENCE } from "./processes.ts";
import { canRun } from "./skip.ts";
import { sweepCgroups } from "./cgroups.ts";
import { Mark } from "./trees.ts";

/** The first arguments of `needing` for a test on a terminal. */
export const TERMINAL = [
  "script of util-linux, and stty",
  canRun("script", ["-qec", "stty size", "/dev/null"]),
] as const;

/** What terminals are made by. */
export const PTMX = "/dev/ptmx";

/** Whether there are any. */
export const hasTerminals: boolean = [...Deno.readDirSync("/dev")].some(({ name }) =>
  name === "ptmx"
);

/** What Ctrl-C writes. */
export const CTRL_C = "\x03";

const ESC = "\x1b";

/**
 * A command on a terminal of its own, with a shell around it. At the end of the block both have
 * ended, and whatever they have started.
 */
export class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<void>;
  readonly #mark = new Mark();
  #output = "";
  #hasEnded = false;

  /**
   * @param script What a shell does, with the command as its arguments.
   * @param columns How wide it is: 0 is what it is where nobody has said so.
   */
  constructor(
    command: readonly string[],
    { script = `exec "$@"`, columns = 200, env = {} }: {
      script?: string;
      columns?: number;
      env?: Record<string, string>;
    } = {},
  ) {
    const size = `stty cols ${columns} rows 24`;
    const line = ["sh", "-c", `${size}; ${script}`, "sh", ...command].map(quote).join(" ");
    this.#child = new Deno.Command("script", {
      args: ["-qec", `exec ${line}`, "/dev/null"],
      env: { ...plainEnv(), SHELL: "/bin/sh", TERM: "xterm", ...this.#mark.env, ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#read = this.#readAll();
    this.#child.status.then(() => this.#hasEnded = true);
  }

  /** All that was written to it. */
  get output(): string {
    return this.#output;
  }

  /** The PID of the command, if the shell has become that. */
  get foreground(): number {
    return this.left().find((pid) => pid !== this.#child.pid)!;
  }

  /** The PIDs of all that is left of it and of what was started on it. */
  left(): number[] {
    return this.#mark.pids();
  }

  /** What is to be seen on it. */
  get screen(): string {
    return screenOf(this.#output);
  }

  /** Types something. */
  async type(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Resolves once something is to be seen. */
  async shows(pattern: RegExp): Promise<void> {
    await eventually(`${pattern} is shown`, () => {
      if (this.#hasEnded && !pattern.test(this.screen)) throw new Error(`it ended: ${this.screen}`);
      return pattern.test(this.screen);
    });
  }

  /** Takes it away, as a window that is closed or a connection that breaks does. */
  hangUp(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves with the exit code once the command has ended. */
  async ended(): Promise<number> {
    await deadline(this.#read, PATIENCE);
    return (await deadline(this.#child.status, PATIENCE)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mark[Symbol.asyncDispose]();
    // Not close(), which rejects if something was typed after the end.
    await this.#input.abort();
    await this.#read;
    await this.#child.status;
    sweepCgroups();
  }

  async #readAll(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
    }
  }
}

/** Does what a terminal does with characters that move, erase and colour. ECMA-48 */
export function screenOf(output: string): string {
  const lines: string[][] = [[]];
  let [row, column] = [0, 0];
  const controls = new RegExp(`${ESC}\\[([\\d;?]*)([A-Za-z])|[^]`, "gu");
  for (const [text, parameter, final] of output.matchAll(controls)) {
    const line = lines[row];
    if (text === "\r" || (final === "G" && Number(parameter) <= 1)) column = 0;
    else if (text === "\n") lines[++row] ??= [];
    else if (final === "K" && parameter === "") line.splice(column);
    else if (final === "K" && parameter === "2") lines[row] = [];
    else if (final === "J" && parameter === "") {
      line.splice(column);
      lines.splice(row + 1);
    } else if (final !== undefined) {
      if (final !== "m") throw new Error(`no such control: ${JSON.stringify(text)}`);
    } else if (text < " ") throw new Error(`no such control: ${JSON.stringify(text)}`);
    else {
      while (line.length < column) line.push(" ");
      line[column++] = text;
    }
  }
  return lines.map((line) => line.join("")).join("\n").trimEnd();
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

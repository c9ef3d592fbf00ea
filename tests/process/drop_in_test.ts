/**
 * That a program that was written for Deno's calls does the same with this library's in their
 * place, and that the compiler takes them for Deno's.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { spawn, spawnAndWait, spawnAndWaitSync, type SpawnOptions } from "../../mod.ts";
import { idle, PATIENCE } from "../support/processes.ts";

/** What a program takes from Deno. */
type Calls = Pick<typeof Deno, "Command" | "spawn" | "spawnAndWait" | "spawnAndWaitSync">;

/** All that it takes to have a class of that name. */
class Command {
  constructor(readonly command: string | URL, readonly options?: SpawnOptions) {}
  spawn = () => spawn(this.command, this.options);
  output = () => spawnAndWait(this.command, this.options);
  outputSync = () => spawnAndWaitSync(this.command, this.options);
}

const OURS: Calls = { Command, spawn, spawnAndWait, spawnAndWaitSync };

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const words = ["pear\n", "fig\n", "plum\n"];

/** Programs, each with all that can be seen of what it does. */
const PROGRAMS: Readonly<Record<string, (calls: Calls) => Promise<unknown>>> = {
  async "collects what a command writes"({ Command }) {
    const { code, stdout, stderr } = await new Command("sh", {
      args: ["-c", "echo good; echo bad >&2; exit 3"],
    }).output();
    return [code, decoder.decode(stdout), decoder.decode(stderr)];
  },
  async "starts one command again and again, in each way"({ Command }) {
    const command = new Command("echo", { args: ["again"] });
    const outputs = [await command.output(), command.outputSync(), await command.output()];
    return outputs.map(({ stdout }) => decoder.decode(stdout));
  },
  async "writes its words to a command, and reads them in order"({ spawn }) {
    const child = spawn("sort", [], { stdin: "piped", stdout: "piped" });
    const writer = child.stdin.getWriter();
    for (const word of words) await writer.write(encoder.encode(word));
    await writer.close();
    return [await child.stdout.text(), (await child.status).success];
  },
  async "closes the input after its writer has gone"({ Command }) {
    const child = new Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(encoder.encode("all"));
    writer.releaseLock();
    await child.stdin.close();
    const { stdout, code } = await child.output();
    return [decoder.decode(stdout), code];
  },
  async "sends a stream through two commands"({ spawn }) {
    const first = spawn("sort", [], { stdin: "piped", stdout: "piped" });
    const second = spawn("tr", ["a-z", "A-Z"], { stdin: "piped", stdout: "piped" });
    const sent = Promise.all([
      ReadableStream.from(words).pipeThrough(new TextEncoderStream()).pipeTo(first.stdin),
      first.stdout.pipeTo(second.stdin),
    ]);
    const text = await second.stdout.text();
    await sent;
    return [text, (await first.status).code, (await second.status).code];
  },
  async "takes what a command writes as a value"({ spawn }) {
    const child = spawn("echo", [`{"name":"fig","sizes":[1,2]}`], { stdout: "piped" });
    const value = await child.stdout.json();
    await child.status;
    return value;
  },
  async "puts both streams into one file"({ spawn }) {
    const path = await Deno.makeTempFile();
    try {
      const file = await Deno.open(path, { write: true });
      const child = spawn("sh", ["-c", "echo good; echo bad >&2"], {
        stdout: "piped",
        stderr: "piped",
      });
      await child.stdout.pipeTo(file.writable, { preventClose: true });
      await child.stderr.pipeTo(file.writable);
      return [(await child.status).code, await Deno.readTextFile(path)];
    } finally {
      await Deno.remove(path);
    }
  },
  async "ends a command that would go on for ever"({ Command }) {
    const child = new Command("yes", { stdout: "piped", stderr: "null" }).spawn();
    let length = 0;
    for await (const chunk of child.stdout) {
      const before = length;
      length += chunk.length;
      // Once, and before the stream is left: that would end it as well, by SIGPIPE.
      if (before <= 1_000_000 && length > 1_000_000) child.kill();
    }
    const { success, code, signal } = await child.status;
    return [success, code, signal];
  },
  async "ends a command by an AbortController"({ Command }) {
    const controller = new AbortController();
    const { signal } = controller;
    const child = new Command("sleep", { args: ["600"], signal, stdout: "null" }).spawn();
    controller.abort();
    const status = await child.status;
    return [status.success, status.code, status.signal];
  },
  async "asks a command in another folder, with another environment"({ spawnAndWait }) {
    const { stdout } = await spawnAndWait("sh", ["-c", "pwd; echo $A-$HOME"], {
      cwd: "/usr",
      env: { A: "1" },
      clearEnv: true,
    });
    return decoder.decode(stdout);
  },
  async "stands still for a command"({ spawnAndWaitSync }) {
    const { success, stdout } = spawnAndWaitSync("echo", ["done"]);
    return await Promise.resolve([success, decoder.decode(stdout)]);
  },
};

for (const [name, program] of Object.entries(PROGRAMS)) {
  Deno.test(`a program that ${name} does the same with our calls as with Deno's`, async () => {
    const expected = await deadline(program(Deno), PATIENCE);
    assertEquals(await deadline(program(OURS), PATIENCE), expected);
    await idle();
  });
}

/**
 * Which fds a child gets: its standard streams, and others under numbers of the caller's
 * choice, in whatever way the numbers of this program and of the child overlap.
 *
 * @module
 */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close, O_WRONLY, pipe } from "../../ffi/files.ts";
import { OwnedFd, spawn, type SpawnOptions } from "../../mod.ts";
import { fdsOf, leavesNothing, run } from "../support/commands.ts";
import { isCloseOnExec, openFile, openOn } from "../support/fds.ts";
import {
  eventually,
  PATIENCE,
  readStat,
  ROOT,
  runForValue,
  runProgram,
} from "../support/processes.ts";
import { Folder } from "../support/sockets.ts";

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** The child's fds that aren't its standard streams. */
async function furtherFdsOf(fds: SpawnOptions["fds"]): Promise<Record<string, string | null>> {
  const { 0: _in, 1: _out, 2: _err, ...further } = await fdsOf({ fds });
  return further;
}

/** What this program has open under some numbers. */
function here(...fds: number[]): (string | null)[] {
  return fds.map(openOn);
}

/** Some fds that are each open on something else. */
class Pipes implements Disposable {
  readonly fds: OwnedFd[];

  constructor(count: number) {
    this.fds = Array.from({ length: count }, () => {
      const { read, write } = pipe();
      close(write);
      return new OwnedFd(read);
    });
  }

  [Symbol.dispose](): void {
    this.fds.forEach((fd) => fd.close());
  }
}

for (const options of [{}, { stdin: "inherit", stdout: "inherit", stderr: "inherit" }] as const) {
  Deno.test(`spawn() gives the child this program's streams with ${Deno.inspect(options)}`, async () => {
    assertEquals(Object.values(await fdsOf(options)), here(0, 1, 2));
  });
}

Deno.test("spawn() gives the child /dev/null where a stream is null", async () => {
  for (const name of STREAMS) {
    const expected = here(0, 1, 2);
    expected[STREAMS.indexOf(name)] = "/dev/null";
    assertEquals(Object.values(await fdsOf({ [name]: "null" })), expected);
  }
  const script = "read line && exit 1; echo out && echo err >&2";
  const { code, stdout, stderr } = await run("sh", { args: ["-c", script] });
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "out\n", stderr: "err\n" });
  const all = { stdin: "null", stdout: "null", stderr: "null" } as const;
  assertEquals((await spawn("sh", { args: ["-c", script], ...all }).status).code, 0);
});

Deno.test("spawn() gives the child pipes of its own where streams are piped", async () => {
  const all = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const [one, other] = [await fdsOf(all), await fdsOf(all)].map((fds) => Object.values(fds));
  for (const link of [...one, ...other]) assertMatch(link, /^pipe:\[\d+\]$/);
  assertEquals(new Set([...one, ...other]).size, 6);
});

Deno.test("spawn() gives the child pipes that it can wait on, as every program expects", async () => {
  await using child = spawn("sh", {
    args: ["-c", "kill -STOP $$"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  // These switch this program's ends to nonblocking mode.
  const streams = [child.stdin, child.stdout, child.stderr];
  await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
  const O_NONBLOCK = 0o4000;
  const flags = streams.map((_, fd) => {
    const info = Deno.readTextFileSync(`/proc/${child.pid}/fdinfo/${fd}`);
    return parseInt(/^flags:\s+([0-7]+)$/m.exec(info)![1], 8) & O_NONBLOCK;
  });
  assertEquals(flags, [0, 0, 0]);
});

for (const stdout of ["piped", "null", "inherit"] as const) {
  Deno.test(`spawn() has stderr go where stdout goes: ${stdout}`, async () => {
    const [, out, error] = Object.values(await fdsOf({ stdin: "null", stdout, stderr: "stdout" }));
    assertEquals(error, out);
  });
}

Deno.test("spawn() has stderr and stdout in one pipe, in the order in which they are written", async () => {
  const script = "for i in 1 2 3; do echo $i; echo $i >&2; done";
  const child = spawn("sh", ["-c", script], { stdout: "piped", stderr: "stdout" });
  assertThrows(() => child.stderr, TypeError, "'stderr' is not piped");
  const { stdoutText } = await deadline(child.output(), PATIENCE);
  assertEquals(stdoutText, "1\n1\n2\n2\n3\n3\n");
});

Deno.test("spawn() has stderr go where stdout goes, if that is a descriptor of any number", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.at("file"), "");
  using output = new OwnedFd(openFile(folder.at("file"), O_WRONLY));
  const options = { stdout: output, stderr: "stdout", fds: { [output.fd]: 0 } } as const;
  await spawn("sh", ["-c", "echo out; echo err >&2"], options).status;
  assertEquals(Deno.readTextFileSync(folder.at("file")), "out\nerr\n");
});

Deno.test('spawn() takes "stdout" for stderr alone', () => {
  for (const name of ["stdin", "stdout"]) {
    const start = () => spawn("true", { [name]: "stdout" });
    assertThrows(start, RangeError, `options.${name} must be "piped", "inherit", "null" or`);
  }
});

Deno.test("spawn() gives the child a duplicate of an OwnedFd, and leaves it to its owner", async () => {
  using folder = new Folder();
  const path = folder.at("file");
  Deno.writeTextFileSync(path, "before\n");
  using input = new OwnedFd(openFile(path));
  assertEquals((await run("cat", { stdin: input })).stdout, "before\n");
  using output = new OwnedFd(openFile(path, O_WRONLY));
  const { code } = await spawn("echo", { args: ["after."], stdout: output }).status;
  assertEquals([code, Deno.readTextFileSync(path)], [0, "after.\n"]);
  for (const { fd } of [input, output]) {
    assertEquals([openOn(fd), isCloseOnExec(fd)], [path, true]);
  }
});

Deno.test("spawn() gives the child a duplicate of the fd with a number", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.at("file"), "");
  using output = new OwnedFd(openFile(folder.at("file"), O_WRONLY));
  const script = "echo out; echo err >&2";
  await spawn("sh", { args: ["-c", script], stdout: output.fd, stderr: output.fd }).status;
  assertEquals(Deno.readTextFileSync(folder.at("file")), "out\nerr\n");
});

Deno.test("spawn() connects two children by a pipe", async () => {
  const { read, write } = pipe();
  using input = new OwnedFd(read);
  const output = new OwnedFd(write);
  const first = spawn("seq", { args: ["1000"], stdout: output });
  const last = spawn("wc", { args: ["-l"], stdin: input, stdout: "piped" });
  output.close();
  const { stdout } = await deadline(last.output(), PATIENCE);
  assertEquals(new TextDecoder().decode(stdout).trim(), "1000");
  assertEquals((await first.status).code, 0);
});

Deno.test("spawn() has another program inherit a pidfd, which can use it", async () => {
  await using target = spawn("sleep", { args: ["60"] });
  const code = `
    import { PidFd } from "${new URL("../../mod.ts", import.meta.url)}";
    using inherited = PidFd.fromFd(7);
    inherited.kill("SIGUSR1");
    await inherited.exited();
  `;
  const fds = { 7: target.pidfd };
  const { code: exit, stderr } = await run(Deno.execPath(), { args: ["eval", code], fds });
  assertEquals({ exit, stderr }, { exit: 0, stderr: "" });
  assertEquals((await deadline(target.status, PATIENCE)).signal, "SIGUSR1");
});

Deno.test("spawn() gives the child what fds says, and nothing else", async () => {
  using pipes = new Pipes(3);
  const [a, b, c] = pipes.fds;
  assertEquals(await furtherFdsOf({}), {});
  assertEquals(await furtherFdsOf({ 3: a, 4: b, 9: c }), {
    3: openOn(a.fd),
    4: openOn(b.fd),
    9: openOn(c.fd),
  });
  assertEquals(await furtherFdsOf({ 100: a.fd }), { 100: openOn(a.fd) });
});

Deno.test("spawn() gives the child one fd under several numbers", async () => {
  using pipes = new Pipes(1);
  const [{ fd }] = pipes.fds;
  const link = openOn(fd);
  assertEquals(await furtherFdsOf({ 3: fd, 5: fd, [fd]: fd, 200: fd }), {
    3: link,
    5: link,
    [fd]: link,
    200: link,
  });
});

Deno.test("spawn() gives the child an fd under the number that it has here", async () => {
  using pipes = new Pipes(2);
  const [one, other] = pipes.fds.map(({ fd }) => fd);
  assertEquals(await furtherFdsOf({ [one]: one, [other]: other }), {
    [one]: openOn(one),
    [other]: openOn(other),
  });
  assertEquals([one, other].map(isCloseOnExec), [true, true]);
});

/** Ways for numbers to overlap: for each fd by its place, the place whose number it gets. */
const PERMUTATIONS: Readonly<Record<string, number[]>> = {
  "swapped": [1, 0],
  "in a circle": [1, 2, 3, 0],
  "in a circle the other way": [3, 0, 1, 2],
  "in two circles": [1, 0, 3, 4, 2],
  "one moved up": [1, 2, 3],
  "one moved down": [2, 0, 1],
  "all in place of one": [2, 2, 2, 2],
};

for (const [name, sources] of Object.entries(PERMUTATIONS)) {
  Deno.test(`spawn() gives the child fds whose numbers are ${name}`, async () => {
    using pipes = new Pipes(Math.max(...sources, sources.length - 1) + 1);
    const numbers = pipes.fds.map(({ fd }) => fd);
    const entries = sources.map((source, i) => [numbers[i], numbers[source]] as const);
    const expected = Object.fromEntries(entries.map(([to, from]) => [to, openOn(from)]));
    assertEquals(await furtherFdsOf(Object.fromEntries(entries)), expected);
  });
}

Deno.test("spawn() gives the child fds that are swapped, and one under the next free number", async () => {
  using free = new Pipes(1);
  using pipes = new Pipes(3);
  const [one, two, three] = pipes.fds.map(({ fd }) => fd);
  const [{ fd: next }] = free.fds;
  free.fds[0].close();
  // A duplicate that is made for the swap must not have that number: it gets another meaning first.
  assertEquals(await furtherFdsOf({ [next]: three, [one]: two, [two]: one }), {
    [next]: openOn(three),
    [one]: openOn(two),
    [two]: openOn(one),
  });
});

Deno.test("spawn() gives the child this program's streams in another order", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const args = ["-c", "echo out; echo err >&2"];
    console.log((await spawn("sh", { args, stdout: 2, stderr: 1 }).status).code);
    console.log((await spawn("sh", { args, stdout: 2 }).status).code);
  `;
  const { stdout, stderr } = await runProgram(program);
  assertEquals({ stdout, stderr }, { stdout: "err\n0\n0\n", stderr: "out\nout\nerr\n" });
});

Deno.test("spawn() gives the child no input if this program has closed its own", async () => {
  const program = `
    import { close } from "${ROOT}ffi/files.ts";
    import { spawn } from "@pidfd/util";
    close(0);
    const run = async (args, options) => {
      const child = spawn("sh", { args, stdout: "piped", ...options });
      if (options.stdin) await child.stdin.close();
      return new TextDecoder().decode((await child.output()).stdout).trim();
    };
    const args = ["-c", "[ -e /proc/$$/fd/0 ] && readlink /proc/$$/fd/0 || echo closed"];
    const results = [await run(args, {}), await run(args, { stdin: "piped" })];
    console.log(JSON.stringify(results));
  `;
  const [inherited, piped] = await runForValue(program) as string[];
  assertEquals(inherited, "closed");
  assertMatch(piped, /^pipe:/);
});

Deno.test("spawn() gives the child each number that an fd can have", async () => {
  const limited = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"];
  const program = `
    import { PidFd, spawn } from "@pidfd/util";
    const self = PidFd.fromSelf();
    const ask = async (fds) => {
      try {
        const args = ["-c", "for i in 3 254 255; do [ -e /proc/self/fd/$i ] && echo $i; done"];
        const child = spawn("sh", { args, fds, stdout: "piped" });
        return new TextDecoder().decode((await child.output()).stdout).trim();
      } catch ({ message }) {
        return message;
      }
    };
    const [last, both, beyond] = [
      await ask({ 255: self }),
      await ask({ 254: self, 255: 2 }),
      await ask({ 256: self }),
    ];
    console.log(JSON.stringify({ last, both, beyond: beyond.includes("256") }));
  `;
  assertEquals(await runForValue(program, ["--allow-ffi"], limited), {
    last: "255",
    both: "254\n255",
    beyond: true,
  });
});

Deno.test("spawn() refuses what is no stream, and says what to do", async () => {
  using file = Deno.openSync("/dev/null");
  const { readable, writable } = new TransformStream();
  const refused: [value: unknown, hint: string][] = [
    [file, "open the file by OwnedFd.open"],
    [new URL("file:///tmp/a"), "open the file by OwnedFd.open"],
    [readable, "a stream is connected by pipeTo"],
    [writable, "a stream is connected by pipeTo"],
    [{}, "a descriptor (a number, an OwnedFd, a PidFd): [object Object]"],
    [true, "a descriptor (a number, an OwnedFd, a PidFd): true"],
    [null, "a descriptor (a number, an OwnedFd, a PidFd): null"],
  ];
  await leavesNothing(() => {
    for (const name of STREAMS) {
      for (const [value, hint] of refused) {
        assertThrows(() => spawn("true", { [name]: value as never }), TypeError, hint);
      }
    }
  });
});

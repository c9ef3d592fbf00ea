/**
 * A child's own terminal: who controls what, where its streams lead, and what is refused.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { OwnedFd, spawn, type SpawnOptions, SyscallError } from "../../mod.ts";
import { fdsOf, leavesNothing } from "../support/commands.ts";
import { KEYS, onTerminal, readUntil, shell, start } from "../support/dialog.ts";
import { openOn } from "../support/fds.ts";
import { eventually, idle, isRoot, PATIENCE, readStat, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { encode } from "../support/sockets.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";

/** What a process's files below /proc say of its session and terminal. proc_pid_stat(5) */
function placeOf(pid: number) {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  const [, , group, session, terminal, foreground] = fields;
  return { group, session, foreground, hasTerminal: terminal !== 0 };
}

onTerminal("Child has a terminal that controls a session of its own", async () => {
  for (const options of [{}, { detached: true }, { processGroup: 0 }]) {
    await using dialog = shell("echo ready; read -r line", options);
    await dialog.shows(/ready/);
    const { pid } = dialog.child;
    assertEquals(placeOf(pid), {
      group: pid,
      session: pid,
      foreground: pid,
      hasTerminal: true,
    });
    await dialog.type(KEYS.enter);
    assertEquals((await dialog.ended()).code, 0);
  }
  await idle();
});

onTerminal("Child without the option has no terminal of its own", async () => {
  for (const options of [{}, { terminal: false }, { terminal: undefined }]) {
    const child = spawn("true", { stdin: "null", stdout: "null", stderr: "null", ...options });
    assertEquals(child.terminal, null);
    await child.status;
  }
  await idle();
});

for (
  const [key, name, signal] of [
    [KEYS.ctrlC, "Ctrl-C", "SIGINT"],
    [KEYS.ctrlBackslash, "Ctrl-\\", "SIGQUIT"],
  ] as const
) {
  onTerminal(`Terminal turns ${name} into ${signal}`, async () => {
    await using dialog = shell("ulimit -c 0; echo ready; exec sleep 600");
    await dialog.shows(/ready/);
    await dialog.type(key);
    assertEquals((await dialog.ended()).signal, signal);
    await idle();
  });
}

onTerminal(
  "Terminal turns Ctrl-D into the end of the input, and closing it into nothing",
  async () => {
    await using dialog = shell("cat; echo over");
    await dialog.type(`one${KEYS.enter}`);
    await dialog.shows(/one\r\none\r\n/);
    await dialog.type(KEYS.ctrlD);
    await dialog.shows(/over/);
    assertEquals((await dialog.ended()).code, 0);

    const child = start("read -r line; echo $line; exec sleep 600");
    const writer = child.terminal!.writable.getWriter();
    await writer.write(encode("typed\r"));
    await deadline(writer.close(), PATIENCE);
    await readUntil(child.terminal!.readable.getReader(), /typed\r\ntyped\r\n$/);
    assertEquals(readStat(child.pid) === null, false);
    await child[Symbol.asyncDispose]();
    await idle();
  },
);

onTerminal("Terminal.resize() tells the child, if the size is another one", async () => {
  await using dialog = shell(
    `trap 'echo "now $(stty size)."' WINCH; echo ready; while :; do sleep 0.02; done`,
  );
  await dialog.shows(/ready/);
  const { terminal } = dialog;
  assertEquals([terminal.columns, terminal.rows], [80, 24]);
  terminal.resize(80, 24);
  terminal.resize(132, 43);
  assertEquals([terminal.columns, terminal.rows], [132, 43]);
  await dialog.shows(/now 43 132\./);
  terminal.resize(1, 65535);
  await dialog.shows(/now 65535 1\./);
  assertEquals(dialog.text.match(/now/g)?.length, 2);
});

onTerminal("Terminal tells the size that the child has set", async () => {
  await using dialog = shell("stty cols 50 rows 10; echo ready; read -r line");
  await dialog.shows(/ready/);
  assertEquals([dialog.terminal.columns, dialog.terminal.rows], [50, 10]);
});

const BAD: Readonly<Record<string, [options: unknown, type: typeof TypeError, message: string]>> = {
  "a number": [{ terminal: 80 }, TypeError, "options.terminal must be a boolean or an object: 80"],
  "null": [{ terminal: null }, TypeError, "options.terminal must be a boolean or an object: null"],
  "an unknown option": [{ terminal: { cols: 80 } }, TypeError, "no option of that name: cols"],
  "no columns": [
    { terminal: { columns: 0 } },
    RangeError,
    "options.terminal.columns must be an integer in 1…65535: 0",
  ],
  "too many rows": [
    { terminal: { rows: 65536 } },
    RangeError,
    "options.terminal.rows must be an integer in 1…65535: 65536",
  ],
  "a process group": [
    { terminal: true, processGroup: 1 },
    TypeError,
    "options.processGroup must be 0 with options.terminal",
  ],
  "a stream of that name": [{ terminal: true, stdin: "terminal" }, RangeError, "options.stdin"],
};

for (const [what, [options, type, message]] of Object.entries(BAD)) {
  Deno.test(`spawn() refuses a terminal with ${what}`, async () => {
    await leavesNothing(() => {
      assertThrows(() => spawn("true", options as SpawnOptions), type, message);
    });
  });
}

onTerminal("Terminal.resize() refuses what is no size", async () => {
  await using dialog = shell("read -r line");
  for (const [columns, rows] of [[0, 1], [1, 0], [1.5, 1], [1, 65536], [NaN, 1]]) {
    assertThrows(() => dialog.terminal.resize(columns, rows), RangeError, "1…65535");
  }
  assertThrows(() => dialog.terminal.resize("80" as unknown as number, 24), TypeError, "columns");
  assertEquals([dialog.terminal.columns, dialog.terminal.rows], [80, 24]);
});

onTerminal("spawn() gives those streams to the terminal that are not given otherwise", async () => {
  using file = OwnedFd.open("/dev/full", { write: true });
  const kinds = (options: SpawnOptions) =>
    fdsOf({ terminal: true, ...options }).then((fds) =>
      Object.fromEntries(
        Object.entries(fds)
          // What the shell has opened for itself is its own affair.
          .filter(([fd]) => Number(fd) < 10)
          .map(([fd, path]) => [fd, path.replace(/\/\d+$/, "").replace(/:.*/, "")]),
      )
    );
  const pts = "/dev/pts";
  assertEquals(await kinds({}), { 0: pts, 1: pts, 2: pts });
  assertEquals(await kinds({ stdout: "piped" }), { 0: pts, 1: "pipe", 2: pts });
  assertEquals(await kinds({ input: "" }), { 0: "pipe", 1: pts, 2: pts });
  assertEquals(await kinds({ stdin: "null" }), { 0: "/dev/null", 1: pts, 2: pts });
  assertEquals(await kinds({ stderr: file }), { 0: pts, 1: pts, 2: "/dev/full" });
  assertEquals(await kinds({ stdout: file, stderr: "stdout" }), {
    0: pts,
    1: "/dev/full",
    2: "/dev/full",
  });
  assertEquals(await kinds({ stderr: "stdout", stdin: "piped" }), { 0: "pipe", 1: pts, 2: pts });
  // Numbers that the terminal itself has here.
  const next = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [i + 3, file]));
  const many = await kinds({ fds: next });
  assertEquals(many, {
    ...{ 0: pts, 1: pts, 2: pts },
    ...Object.fromEntries(Object.keys(next).map((fd) => [fd, "/dev/full"])),
  });
});

onTerminal(
  "spawn() does not take the terminal for a descriptor that the caller has closed",
  async () => {
    // The number that the next descriptor gets.
    const file = OwnedFd.open("/dev/null");
    const { fd } = file;
    file.close();
    await leavesNothing(() => {
      const options = { terminal: true, fds: { 5: fd } };
      assertThrows(() => spawn("true", options), SyscallError, "EBADF");
    });
  },
);

onTerminal(
  "Terminal works without any stream on it, each time that /dev/tty is opened",
  async () => {
    const say = (text: string) => `{ echo ${text}; read -r line; } <>/dev/tty >&0;`;
    await using dialog = shell(`${say("one")} ${say("two")} exit 7`, {
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    });
    for (const word of ["one", "two"]) {
      await dialog.shows(new RegExp(`${word}\r\n`));
      await dialog.type(KEYS.enter);
    }
    assertEquals((await dialog.ended()).code, 7);
  },
);

Deno.test({
  ...needing(
    `root and ${PTMX}`,
    isRoot && hasTerminals,
    "Child of another user may open its terminal by the path",
  ),
  async fn() {
    await using dialog = shell("tty; echo by path >$(tty); exit 7", { uid: 65534, gid: 65534 });
    await dialog.shows(/by path\r\n/);
    assertEquals((await dialog.ended()).code, 7);
  },
});

onTerminal("Terminal doesn't become the one that controls this program", async () => {
  // A session leader without a terminal would get the first that it opens.
  const program = `
    import { spawn } from "@pidfd/util";
    await using child = spawn("true", { terminal: true });
    await child.status;
    const stat = Deno.readTextFileSync("/proc/self/stat");
    console.log(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[4]);
  `;
  assertEquals(await runForValue(program, ["--allow-all"], ["setsid", "--wait"]), 0);
});

onTerminal("Terminal is shown with its size and descriptor", async () => {
  await using dialog = shell("read -r line", { terminal: { columns: 100 } });
  const text = Deno.inspect(dialog.terminal);
  const fd = Number(/fd: (\d+)/.exec(text)?.[1]);
  assertEquals(text, `Terminal { columns: 100, rows: 24, fd: ${fd} }`);
  assertEquals(openOn(fd), PTMX);
});

onTerminal(
  "Terminal needs --allow-ffi alone, and doesn't keep a program alive that unref'd it",
  async () => {
    const program = `
      import { spawn } from "@pidfd/util";
      const child = spawn("sh", ["-c", "echo $PPID; exec sleep 600"], { terminal: true });
      const reader = child.terminal.readable.getReader();
      const { value } = await reader.read();
      reader.read();
      child.terminal.writable.getWriter().write(new Uint8Array(2 ** 20));
      await new Promise((resolve) => setTimeout(resolve, 20));
      child.unref();
      console.log(child.pid);
    `;
    const pid = await runForValue(program, ["--allow-ffi"]) as number;
    // The kernel has hung the terminal up at the program's end.
    await eventually("the child has ended", () => readStat(pid) === null);
  },
);

onTerminal("Child.ref() has the terminal keep the program alive again", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const child = spawn("sh", ["-c", "sleep 0.1; echo 7"], { terminal: true });
    child.unref();
    child.terminal.readable.text().then(console.log);
    child.ref();
  `;
  assertEquals(await runForValue(program), 7);
});

/**
 * The streams to a child: nothing is lost or reordered, nobody runs ahead of the other side,
 * and either side can go away early.
 *
 * @module
 */

import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, spawn } from "../../mod.ts";
import { eventually, PATIENCE, readStat, runForValue } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { encode } from "../support/sockets.ts";

const MEBIBYTE = 2 ** 20;
const PIPES = { stdin: "piped", stdout: "piped" } as const;

/** Bytes that nothing could guess. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const most = 65_536;
  for (let at = 0; at < length; at += most) {
    crypto.getRandomValues(bytes.subarray(at, at + most));
  }
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Writes bytes to a child in pieces of this size, and ends its input. */
async function send(child: Child, bytes: Uint8Array<ArrayBuffer>, size: number): Promise<void> {
  const writer = child.stdin.getWriter();
  for (let at = 0; at < bytes.length; at += size) await writer.write(bytes.subarray(at, at + size));
  await writer.close();
}

/** Waits so long that everything that could happen without further events has. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}

Deno.test("Child passes 64 MiB through cat intact", async () => {
  const bytes = randomBytes(64 * MEBIBYTE);
  const child = spawn("cat", PIPES);
  // A prime number, so that pieces never fit what a pipe holds.
  const [{ success, stdout }] = await deadline(
    Promise.all([child.output(), send(child, bytes, 65_521)]),
    PATIENCE,
  );
  assertEquals([success, stdout.length], [true, bytes.length]);
  assertEquals(await sha256(stdout), await sha256(bytes));
});

Deno.test("Child takes 16 MiB in one piece, and gives them to a reader that takes its time", async () => {
  const bytes = randomBytes(16 * MEBIBYTE);
  const child = spawn("cat", PIPES);
  const sent = send(child, bytes, bytes.length);
  const received: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of child.stdout) {
    received.push(chunk);
    await nextTurn();
  }
  await deadline(sent, PATIENCE);
  const all = new Uint8Array(await new Blob(received).arrayBuffer());
  assertEquals(await sha256(all), await sha256(bytes));
  assertEquals((await child.status).success, true);
});

for (const size of [1, 7, 4096]) {
  Deno.test(`Child takes pieces of ${size} bytes in their order`, async () => {
    const bytes = randomBytes(3_000 * Math.min(size, 100));
    const child = spawn("cat", PIPES);
    const sent = send(child, bytes, size);
    const { stdout } = await deadline(child.output(), PATIENCE);
    await sent;
    assertEquals(stdout, bytes);
  });
}

Deno.test("Child takes nothing but the bytes of a view, and an empty one", async () => {
  const child = spawn("cat", PIPES);
  const writer = child.stdin.getWriter();
  const all = encode("0123456789");
  for (const [from, to] of [[2, 5], [5, 5], [9, 10]]) await writer.write(all.subarray(from, to));
  await writer.close();
  assertEquals((await deadline(child.output(), PATIENCE)).stdout, encode("2349"));
});

Deno.test("Child's streams end when the child closes them, though it goes on", async () => {
  const child = spawn("sh", {
    args: ["-c", "echo out; exec >&- 2>&-; read _; exit 7"],
    ...PIPES,
    stderr: "piped",
  });
  const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  assertEquals(await deadline(Promise.all(texts), PATIENCE), ["out\n", ""]);
  assertEquals(readStat(child.pid)?.state === "Z", false);
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
});

Deno.test("Child's output can be read when the child has long ended", async () => {
  const child = spawn("echo", { args: ["hello"], stdout: "piped" });
  assertEquals((await deadline(child.status, PATIENCE)).success, true);
  assertEquals(await deadline(new Response(child.stdout).text(), PATIENCE), "hello\n");
});

Deno.test("Child has to wait while nobody reads what it writes", async () => {
  const child = spawn("head", {
    args: ["-c", String(64 * MEBIBYTE), "/dev/zero"],
    stdout: "piped",
  });
  const { stdout } = child;
  const written = () =>
    Number(/^wchar: (\d+)$/m.exec(Deno.readTextFileSync(`/proc/${child.pid}/io`))![1]);
  // It would go on if anything were read ahead, so that this number would grow in each turn.
  let before = 0;
  let turns = 0;
  await eventually("the child is held up", () => {
    turns = written() === before && before > 0 ? turns + 1 : 0;
    before = written();
    return turns >= 20;
  });
  assertLess(written(), 8 * MEBIBYTE);
  const { length } = await deadline(new Response(stdout).bytes(), PATIENCE);
  assertEquals([length, (await child.status).code], [64 * MEBIBYTE, 0]);
});

Deno.test("Child makes a writer wait until it reads", async () => {
  const child = spawn("sh", { args: ["-c", "kill -STOP $$; wc -c"], ...PIPES });
  await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
  const writer = child.stdin.getWriter();
  const write = writer.write(new Uint8Array(16 * MEBIBYTE));
  await settled();
  assertEquals(await isPending(write), true);
  child.kill("SIGCONT");
  await deadline(write, PATIENCE);
  await writer.close();
  const { stdout } = await deadline(child.output(), PATIENCE);
  assertEquals(Number(new TextDecoder().decode(stdout)), 16 * MEBIBYTE);
});

/** Starts a child that has closed its input. */
async function startDeaf(): Promise<Child> {
  const child = spawn("sh", { args: ["-c", "exec <&-; echo; exec sleep 60"], ...PIPES });
  const reader = child.stdout.getReader();
  await deadline(reader.read(), PATIENCE);
  await reader.cancel();
  return child;
}

Deno.test("Child.stdin fails with EPIPE if the child has closed its input", async () => {
  await using child = await startDeaf();
  const writer = child.stdin.getWriter();
  const closed = writer.closed.then(() => "closed", ({ code }) => code);
  const write = async () => {
    // The first bytes may find their way into the stream's own buffer.
    for (;;) await writer.write(new Uint8Array(65_536));
  };
  const { code } = await assertRejects(() => deadline(write(), PATIENCE)) as Error & {
    code: string;
  };
  assertEquals([code, await deadline(closed, PATIENCE)], ["EPIPE", "EPIPE"]);
  await assertRejects(() => writer.write(new Uint8Array(1)));
});

Deno.test("Child.stdin fails with EPIPE if the child ends in the middle of a write", async () => {
  const child = spawn("sleep", { args: ["60"], stdin: "piped" });
  const writer = child.stdin.getWriter();
  const write = writer.write(new Uint8Array(16 * MEBIBYTE)).catch(({ code }) => code);
  await settled();
  child.kill();
  assertEquals(await deadline(write, PATIENCE), "EPIPE");
  assertEquals((await child.status).signal, "SIGTERM");
});

Deno.test("Child.stdin fails the pipe that leads to it, and lets its source know", async () => {
  await using child = await startDeaf();
  const reasons: unknown[] = [];
  const source = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: (reason) => void reasons.push(reason.code),
  });
  await assertRejects(() => deadline(source.pipeTo(child.stdin), PATIENCE));
  assertEquals(reasons, ["EPIPE"]);
});

Deno.test("Child.stdin that fails without anybody caring doesn't end the program", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const child = spawn("true", { stdin: "piped" });
    const { stdin } = child;
    await child.status;
    const writer = stdin.getWriter();
    writer.write(new Uint8Array(1024)).catch(() => {});
    const other = spawn("true", { stdin: "piped" });
    other.stdin;
    await other.status;
    const again = spawn("sh", { args: ["-c", "sleep 0.1; exit 7"] });
    console.log((await again.status).code);
  `;
  assertEquals(await runForValue(program), 7);
});

Deno.test("Child sees SIGPIPE when its reader has gone", async () => {
  const readers: Record<string, (child: Child) => Promise<void>> = {
    async "cancel() before a read"({ stdout }) {
      await stdout.cancel();
    },
    async "cancel() after a read"({ stdout }) {
      const reader = stdout.getReader();
      await reader.read();
      await reader.cancel("enough");
    },
    async "the end of a loop"({ stdout }) {
      for await (const _ of stdout) break;
    },
    async "cancel() during a read"(child) {
      const reader = child.stdout.getReader();
      child.kill("SIGSTOP");
      await eventually("the child stopped", () => readStat(child.pid)?.state === "T");
      let read;
      do read = reader.read(); while (
        await Promise.race([
          read.then(() => true),
          settled().then(() => false),
        ])
      );
      await reader.cancel();
      assertEquals(await read, { value: undefined, done: true });
      child.kill("SIGCONT");
    },
  };
  for (const [name, leave] of Object.entries(readers)) {
    const child = spawn("yes", { stdout: "piped" });
    await deadline(leave(child), PATIENCE);
    assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGPIPE", name);
  }
});

Deno.test("Child that ignores SIGPIPE sees EPIPE when its reader has gone", async () => {
  const child = spawn("sh", {
    args: ["-c", "trap '' PIPE; exec yes"],
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  });
  const reader = child.stdout.getReader();
  await deadline(reader.read(), PATIENCE);
  await reader.cancel();
  const message = await deadline(new Response(child.stderr).text(), PATIENCE);
  assertEquals(message.includes("Broken pipe"), true, message);
  assertEquals((await child.status).code, 1);
});

Deno.test("Child.stdout's chunks take at most twice the memory of their bytes", async () => {
  const child = spawn("cat", PIPES);
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  for (const length of [1, 1, 4096, 1]) {
    await writer.write(new Uint8Array(length));
    const { value } = await deadline(reader.read(), PATIENCE);
    assertEquals([value?.length, value?.buffer.byteLength], [length, length]);
  }
  const written = writer.write(new Uint8Array(MEBIBYTE)).then(() => writer.close());
  let received = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    received += next.value.length;
    assertLess(next.value.buffer.byteLength, 2 * next.value.length + 1);
  }
  await written;
  assertEquals([received, (await child.status).code], [MEBIBYTE, 0]);
});

Deno.test("Child.stdin.abort() ends the child's input, as close() does", async () => {
  for (const end of ["abort", "close"] as const) {
    const child = spawn("cat", PIPES);
    await child.stdin[end]();
    const { success, stdout } = await deadline(child.output(), PATIENCE);
    assertEquals([success, stdout.length], [true, 0]);
  }
});

Deno.test("Child's streams that nobody reads don't keep the program from its end", async () => {
  const program = `
    import { spawn } from "@pidfd/util";
    const options = { stdin: "piped", stdout: "piped", stderr: "piped" };
    const child = spawn("sh", { args: ["-c", "echo out; exit 7"], ...options });
    const streams = [child.stdin, child.stderr];
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    console.log((await child.status).code);
  `;
  assertEquals(await runForValue(program), 7);
});

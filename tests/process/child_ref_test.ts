/**
 * Which children keep their program alive: those that are ref'd, as all are at first. What was
 * unref'd is waited for all the same as long as the program goes on.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { spawn } from "../../mod.ts";
import { eventually, idle, PATIENCE, readStat, runProgram } from "../support/processes.ts";

const HOUSE = new URL("../../", import.meta.url).href;

const PROGRAM = `
  import { spawn } from "@pidfd/util";
  const children = [];
  function start(script, options = {}) {
    const stdio = { stdin: "null", stdout: "null", stderr: "null" };
    const child = spawn("sh", { args: ["-c", script], ...stdio, ...options });
    children.push(child.pid);
    return child;
  }
  addEventListener("unload", () => console.log(JSON.stringify(children)));
`;

/** Runs a program that ends well. Returns the lines that it printed, and what still runs. */
async function run(code: string, flags = ["--allow-ffi"]) {
  const { code: status, stdout, stderr } = await runProgram(PROGRAM + code, { flags });
  assertEquals({ status, stderr }, { status: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  const pids: number[] = JSON.parse(lines.pop()!);
  const running = pids.filter((pid) => readStat(pid) !== null);
  for (const pid of running) Deno.kill(pid, "SIGKILL");
  return { lines, running: running.length };
}

for (
  const [what, unref] of Object.entries({
    "in the turn of its birth": "child.unref();",
    "later": "await new Promise((resolve) => setTimeout(resolve, 20)); child.unref();",
    "while its status is awaited": "child.status.then(() => console.log('told')); child.unref();",
    "twice": "child.unref(); child.unref();",
    "again after ref()": "child.unref(); child.ref(); child.unref();",
  })
) {
  Deno.test(`Child.unref() ${what} lets the program end, and the child go on`, async () => {
    const facts = await run(`const child = start("exec sleep 60"); ${unref}`);
    assertEquals(facts, { lines: [], running: 1 });
  });
}

Deno.test("Child.unref() of one child leaves it to the others to keep the program alive", async () => {
  const facts = await run(`
    start("exec sleep 60").unref();
    start("exec sleep 0.1").status.then(() => console.log("the second ended"));
  `);
  assertEquals(facts, { lines: ["the second ended"], running: 1 });
});

Deno.test("Child.ref() has the child keep the program alive again", async () => {
  const facts = await run(`
    const child = start("exec sleep 0.1");
    child.unref();
    await new Promise((resolve) => setTimeout(resolve, 20));
    child.ref();
    child.status.then(() => console.log("ended"));
  `);
  assertEquals(facts, { lines: ["ended"], running: 0 });
});

Deno.test("Child.unref() lets a program end that reads and writes the child's pipes", async () => {
  const facts = await run(`
    const child = start("cat; exec sleep 60", { stdin: "piped", stdout: "piped", stderr: "piped" });
    child.unref();
    child.stdout.text().then(() => console.log("read"));
    child.stderr.getReader().read().then(() => console.log("read"));
    // More than the pipes hold.
    child.stdin.getWriter().write(new Uint8Array(8 << 20)).then(() => console.log("written"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  `);
  assertEquals(facts.lines, []);
});

Deno.test("Child.unref() after its pipes are being read lets the program end", async () => {
  const facts = await run(`
    const child = start("exec sleep 60", { stdout: "piped" });
    child.stdout.text();
    await new Promise((resolve) => setTimeout(resolve, 20));
    child.unref();
  `);
  assertEquals(facts, { lines: [], running: 1 });
});

Deno.test("Child.unref() lets a program end whose signal aborts", async () => {
  const facts = await run(`
    const controller = new AbortController();
    const child = start("trap '' TERM; echo; exec sleep 60", {
      stdout: "piped",
      signal: controller.signal,
    });
    const reader = child.stdout.getReader();
    await reader.read();
    child.unref();
    controller.abort();
  `);
  assertEquals(facts, { lines: [], running: 1 });
});

Deno.test("Child.unref() works in a worker", async () => {
  const worker = `
    import { spawn } from "${HOUSE}mod.ts";
    const ended = spawn("sh", { args: ["-c", "exit 7"] });
    ended.unref();
    postMessage((await ended.status).code);
  `;
  const facts = await run(
    `
    const code = ${JSON.stringify(worker)};
    const url = URL.createObjectURL(new Blob([code], { type: "text/typescript" }));
    const worker = new Worker(url, { type: "module" });
    console.log(await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data)));
    worker.terminate();
  `,
    ["--allow-all"],
  );
  assertEquals(facts.lines, ["7"]);
});

Deno.test("Child that is unref'd is reaped while the program is busy elsewhere", async () => {
  const child = spawn("sh", { args: ["-c", "echo out; exit 7"], stdout: "piped" });
  child.unref();
  const [text, status] = await deadline(
    Promise.all([child.stdout.text(), child.status]),
    PATIENCE,
  );
  assertEquals([text, status.code], ["out\n", 7]);
  assertEquals(readStat(child.pid), null);
  await idle();
});

Deno.test("Child that is unref'd is reaped though nobody asks for its status", async () => {
  const child = spawn("true");
  child.unref();
  await eventually("it is reaped", () => readStat(child.pid) === null);
  await idle();
});

Deno.test("Child that is unref'd and ref'd again and again tells its status", async () => {
  const child = spawn("sh", { args: ["-c", "read _; exit 7"], stdin: "piped" });
  for (let i = 0; i < 20; i++) {
    child.unref();
    if (i % 2) await new Promise((resolve) => setTimeout(resolve));
    child.ref();
    if (i % 3) await new Promise((resolve) => setTimeout(resolve));
  }
  await child.stdin.close();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  await idle();
});

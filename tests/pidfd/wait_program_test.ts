/**
 * What waits do to the program around them: whether it goes on running, and its workers.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { startUnreaped } from "../support/children.ts";
import { eventually, PATIENCE, runProgram } from "../support/processes.ts";

/** The beginning of a program with a child that outlives it in no case. */
const PROGRAM = `
  import { PidFd } from "@pidfd/util";

  function start(command) {
    const args = ["-c", command];
    const child = new Deno.Command("sh", { args, stdin: "piped" }).spawn();
    // Deno's own waiting for it is not what keeps the program running.
    child.unref();
    return PidFd.fromPid(child.pid);
  }
  const nextTurn = () => new Promise((resolve) => setTimeout(resolve));
`;

/** The same with a child that runs until the program ends, and with a last word. */
const BESIDE_CHILD = `${PROGRAM}
  const pidfd = start("read _");
  const last = pidfd.clone();
  globalThis.addEventListener("unload", () => {
    console.log(last.isAlive() ? "ended before its child" : "ended after its child");
  });
`;

const FLAGS = ["--allow-ffi", "--allow-run", "--allow-read"];

/** Runs a program to its end and returns the lines that it printed. */
async function run(code: string): Promise<string[]> {
  const { code: status, stdout, stderr } = await runProgram(code, { flags: FLAGS });
  assertEquals({ status, stderr }, { status: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}

Deno.test("PidFd.wait() keeps a program running while it is pending", async () => {
  const output = await run(`${PROGRAM}
    start("sleep 0.2; exit 7").exited().then(() => console.log("the child ended"));
    console.log("nothing else to do");
  `);
  assertEquals(output, ["nothing else to do", "the child ended"]);
});

Deno.test("PidFd.wait() lets a program end once its process has", async () => {
  const output = await run(`${PROGRAM}
    await start("true").exited();
    console.log("the child ended");
  `);
  assertEquals(output, ["the child ended"]);
});

Deno.test("PidFd.wait() lets a program end whose only wait was aborted", async () => {
  const output = await run(`${BESIDE_CHILD}
    const controller = new AbortController();
    pidfd.wait({ signal: controller.signal }).catch(({ name }) => console.log(name));
    await nextTurn();
    controller.abort();
  `);
  assertEquals(output, ["AbortError", "ended before its child"]);
});

Deno.test("PidFd.wait() lets a program end whose wait was aborted in the same turn", async () => {
  const output = await run(`${BESIDE_CHILD}
    const controller = new AbortController();
    pidfd.wait({ signal: controller.signal }).catch(({ name }) => console.log(name));
    controller.abort();
  `);
  assertEquals(output, ["AbortError", "ended before its child"]);
});

Deno.test("PidFd.wait() lets a program end whose handle was closed or given away", async () => {
  const output = await run(`${BESIDE_CHILD}
    const other = pidfd.clone();
    const waits = Promise.allSettled([pidfd.wait(), other.exited()]);
    await nextTurn();
    pidfd.close();
    other.intoFd();
    for (const { reason } of await waits) console.log(reason.name);
  `);
  assertEquals(output, ["BadResource", "BadResource", "ended before its child"]);
});

Deno.test("PidFd.wait() lets a program end that has open handles and waits for none", async () => {
  const output = await run(`${BESIDE_CHILD}
    pidfd.tryWait();
  `);
  assertEquals(output, ["ended before its child"]);
});

Deno.test("PidFd.wait() doesn't hold up Deno.exit() or an uncaught error", async () => {
  for (const [end, expected] of [["Deno.exit(3)", 3], ["throw new Error()", 1]] as const) {
    const program = `${BESIDE_CHILD}
      pidfd.wait();
      await nextTurn();
      ${end};
    `;
    const { code, stdout } = await runProgram(program, { flags: FLAGS });
    assertEquals(code, expected);
    assertEquals(stdout.includes("after"), false);
  }
});

Deno.test("PidFd.wait() with reap takes the zombie of a process that was adopted meanwhile", async () => {
  const output = await run(`
    import { PidFd, setSubreaper } from "@pidfd/util";

    setSubreaper(true);
    const parent = new Deno.Command("sh", {
      args: ["-c", "sleep 60 >&- & echo $!; read _"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    using pidfd = PidFd.fromPid(Number(new TextDecoder().decode((await reader.read()).value)));
    const wait = pidfd.wait({ reap: true });
    await parent.stdin.close();
    await parent.status;
    console.log(pidfd.getPpid() === Deno.pid);
    pidfd.kill();
    console.log((await wait).signal);
    // Nobody can send a signal to it, not even to its zombie.
    try {
      pidfd.sendSignal(0);
    } catch ({ code }) {
      console.log(code);
    }
  `);
  assertEquals(output, ["true", "SIGKILL", "ESRCH"]);
});

const WORKER = new URL("../support/waiting_worker.ts", import.meta.url).href;

Deno.test("PidFd.wait() works in a worker, beside a wait of the program's own", async () => {
  using child = startUnreaped("exec sleep 60");
  const worker = new Worker(WORKER, { type: "module" });
  const messages: unknown[] = [];
  worker.onmessage = ({ data }) => messages.push(data);
  worker.postMessage(child.pid);
  await eventually("the worker waits", () => messages.length > 0);
  const wait = child.pidfd.wait();
  child.pidfd.kill();
  await eventually("the worker has the status", () => messages.length > 1);
  worker.terminate();
  assertEquals(messages, ["waiting", await deadline(wait, PATIENCE)]);
});

for (
  const [what, code, expected] of [
    ["a program end", "", "ended before its child"],
    [
      "a program wait itself",
      `const wait = pidfd.exited();
      pidfd.kill();
      await wait;`,
      "ended after its child",
    ],
  ] as const
) {
  Deno.test(`PidFd.wait() lets ${what} after a worker was terminated in a wait`, async () => {
    const output = await run(`${BESIDE_CHILD}
      const worker = new Worker("${WORKER}", { type: "module" });
      worker.postMessage(pidfd.getPid());
      await new Promise((resolve) => worker.onmessage = resolve);
      worker.terminate();
      ${code}
    `);
    assertEquals(output.join("\n"), expected);
  });
}

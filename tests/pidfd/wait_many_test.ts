/**
 * Five hundred waits at once: what they cost the program, and that nothing else has to wait for
 * them. The same is asked of the obvious way, a blocked call for each, to see it fail.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { PATIENCE, runForValue } from "../support/processes.ts";

const COUNT = 500;

/** What the program reports of itself. */
interface Report {
  /** How many threads it has with one wait, and with all of them. */
  threads: [number, number];
  /** Whether `Deno.stat` resolved while all were pending. */
  statResolved: boolean;
  /** The exit codes that the waits gave. */
  codes: number[];
}

/**
 * Awaits processes that exit with codes of their own.
 *
 * @param wait How: a function of a Deno.ChildProcess, which returns a promise of its exit code.
 * @param patience How long `Deno.stat` has, in milliseconds.
 */
async function measure(wait: string, patience: number): Promise<Report> {
  const code = `
    ${wait}
    const threads = () => [...Deno.readDirSync("/proc/self/task")].length;
    const children = Array.from({ length: ${COUNT} }, (_, i) =>
      new Deno.Command("sh", { args: ["-c", "read _; exit " + i % 256], stdin: "piped" }).spawn()
    );
    // So that what Deno itself needs a thread for counts in both.
    await Deno.stat("/");
    const first = wait(children[0]);
    await new Promise((resolve) => setTimeout(resolve));
    const withOne = threads();

    const waits = [first, ...children.slice(1).map(wait)];
    await new Promise((resolve) => setTimeout(resolve));
    const withAll = threads();

    let timer;
    const late = new Promise((resolve) => timer = setTimeout(() => resolve(false), ${patience}));
    const statResolved = await Promise.race([Deno.stat("/").then(() => true), late]);
    clearTimeout(timer);

    // The end of its input is what a child waits for.
    await Promise.all(children.map(({ stdin }) => stdin.close()));
    const codes = await Promise.all(waits);
    await Promise.all(children.map(({ status }) => status));
    console.log(JSON.stringify({ threads: [withOne, withAll], statResolved, codes }));
  `;
  return await runForValue(code, ["--allow-all"]) as Report;
}

const EXPECTED_CODES = Array.from({ length: COUNT }, (_, i) => i % 256);

Deno.test("PidFd.wait() takes one thread for 500 processes, and Deno.stat resolves meanwhile", async () => {
  const { threads, statResolved, codes } = await measure(
    `import { PidFd } from "@pidfd/util";
    const wait = async (child) => {
      using pidfd = PidFd.fromChild(child);
      return (await pidfd.wait()).code;
    };`,
    PATIENCE,
  );
  assertLessOrEqual(threads[1] - threads[0], 1);
  assert(statResolved);
  assertEquals(codes, EXPECTED_CODES);
});

Deno.test("A blocked call for each of 500 waits fails where PidFd.wait() doesn't", async () => {
  const { threads, statResolved } = await measure(
    `const { symbols } = Deno.dlopen("libc.so.6", {
      waitid: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32", nonblocking: true },
    });
    const P_PID = 1;
    const WEXITED = 0x4;
    const WNOWAIT = 0x0100_0000;
    const wait = ({ pid }) =>
      symbols.waitid(P_PID, pid, new Uint8Array(128), WEXITED | WNOWAIT);`,
    // However long it had, Deno.stat would not resolve: the calls that block, and those that
    // queue for a thread, are all before it. So a short while shows it.
    100,
  );
  assertGreater(threads[1] - threads[0], 1);
  assert(!statResolved);
});

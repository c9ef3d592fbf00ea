/**
 * Starting a child takes fds at many steps. Whichever of them is the one that there is no fd
 * for: the error says so, and the program has neither fewer fds than before nor a child.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { ROOT, runForValue } from "../support/processes.ts";

/** The beginning of a program that tries to start a child with so many fds left. */
const TRY = `
  import { PidFd, spawn } from "@pidfd/util";
  import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
  import { turn } from "${ROOT}tests/support/turn.ts";
  import { shadow } from "${ROOT}tests/support/shadow.ts";
  import { childrenOf } from "${ROOT}tests/support/trees.ts";
  import { infoIoctl } from "${ROOT}ffi/capabilities.ts";

  /** What came of it: the step that failed, and what is left behind. */
  async function tryWith(free, options) {
    takeAll();
    giveBack(free);
    let step = null;
    let code = null;
    let child;
    try {
      const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" };
      child = spawn("/bin/cat", { ...pipes, ...options });
    } catch (error) {
      step = error.syscall ?? String(error);
      code = error.code;
    }
    // What was made for a wait that never came is closed right afterwards.
    await turn();
    const left = takeAll();
    giveBack(100);
    await child?.[Symbol.asyncDispose]();
    return { step, code, left, children: childrenOf(Deno.pid).length };
  }
`;

/** What came of a try. */
interface Try {
  readonly step: string | null;
  readonly code: string | null;
  readonly left: number;
  readonly children: number;
}

/** Checks that all tries failed cleanly but for the last, which needs to succeed. */
function assertClean(tries: Try[]): void {
  const failed = tries.slice(0, -1);
  const expected = failed.map(({ step }, free) => ({
    step,
    code: "EMFILE",
    left: free,
    children: 0,
  }));
  assertEquals(failed, expected);
  assertGreater(failed.length, 5);
  const { step, children } = tries.at(-1)!;
  assertEquals({ step, children }, { step: null, children: 0 });
}

const PIPES = Array.from({ length: 6 }, () => "pipe2");
const STEPS: Readonly<Record<string, string[]>> = {
  // The birth needs one for the pidfd.
  "{}": [
    ...[...PIPES, "epoll_create1", "eventfd", "clone3"],
  ],
  // A swap needs further fds.
  "{ fds: { [a.fd]: b, [b.fd]: a } }": [
    ...[...PIPES, "fcntl", "fcntl"],
    ...["epoll_create1", "eventfd", "clone3"],
  ],
};

for (const [options, steps] of Object.entries(STEPS)) {
  Deno.test(`spawn() with ${options} throws EMFILE at each step, and leaves nothing behind`, async () => {
    const program = `${TRY}
      const [a, b] = [PidFd.fromSelf(), PidFd.fromSelf()];
      await spawn("true").status;
      await turn();
      const tries = [];
      do tries.push(await tryWith(tries.length, ${options}));
      while (tries.at(-1).step !== null && tries.length < 30);
      console.log(JSON.stringify(tries));
    `;
    const tries = await runForValue(program, ["--allow-all"]) as Try[];
    assertClean(tries);
    assertEquals(tries.slice(0, -1).map(({ step }) => step), steps);
  });
}

for (
  const [name, before] of [["", ""], [
    " before Linux 6.13",
    `shadow(infoIoctl, "available", () => false);`,
  ]]
) {
  Deno.test(`spawn() as a program's first call${name} throws EMFILE at each step, and leaves nothing behind`, async () => {
    const tries: Try[] = [];
    do {
      const program = `${TRY}
        ${before}
        console.log(JSON.stringify(await tryWith(${tries.length}, {})));
      `;
      tries.push(await runForValue(program, ["--allow-all"]) as Try);
    } while (tries.at(-1)!.step !== null && tries.length < 30);
    assertClean(tries);
  });
}

Deno.test("spawn() throws EMFILE if there is no fd to look at the PATH with", async () => {
  const facts = await runForValue(
    `${TRY}
    await spawn("true").status;
    takeAll();
    let failure;
    try {
      spawn("cat");
    } catch ({ code, syscall }) {
      failure = { code, syscall };
    }
    console.log(JSON.stringify(failure));
  `,
    ["--allow-all"],
  );
  assertEquals(facts, { code: "EMFILE", syscall: "openat" });
});

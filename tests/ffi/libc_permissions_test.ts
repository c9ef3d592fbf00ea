/**
 * What it takes to open libc, when that happens, and what is said where it can't. All in programs
 * of their own, because tests have all permissions.
 *
 * @module
 */

import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { runForValue } from "../support/processes.ts";

/** Every way to ask for a permission or to open a library, counted. */
const WATCHED = `
  const used = [];
  for (const name of ["query", "querySync", "request", "requestSync"]) {
    const before = Deno.permissions[name];
    Deno.permissions[name] = (...args) => {
      used.push(name);
      return before.apply(Deno.permissions, args);
    };
  }
  const open = Deno.dlopen;
  Deno.dlopen = (...args) => {
    used.push("dlopen");
    return open(...args);
  };
`;

Deno.test("mod.ts can be imported without any permission, and opens nothing", async () => {
  const facts = await runForValue(
    `${WATCHED}
    const { PidFd } = await import("@pidfd/util");
    console.log(JSON.stringify({ loaded: typeof PidFd.fromPid, used }));
  `,
    [],
  );
  assertEquals(facts, { loaded: "function", used: [] });
});

Deno.test("libc's functions are opened by the first call that needs them, and once", async () => {
  const facts = await runForValue(`${WATCHED}
    const { PidFd, ProcessRef } = await import("@pidfd/util");
    // Bad input is refused before.
    try {
      PidFd.fromPid(0);
    } catch {
      used.push("refused");
    }
    new ProcessRef(1, 2n);
    for (let i = 0; i < 2; i++) {
      PidFd.fromSelf().close();
      used.push("closed");
    }
    console.log(JSON.stringify(used.filter((name, i) => name !== used[i - 1])));
  `);
  // Whether there is a permission is asked for once, too.
  assertEquals(facts, ["refused", "querySync", "dlopen", "closed"]);
});

/** What comes before a call whose error is looked at, and what prints it. */
const BEGIN = `
  const { features, PidFd, SyscallError, UnsupportedError } = await import("@pidfd/util");
  function outcome(use) {
    try {
      return use();
    } catch (error) {
      const { name, message, feature, since } = error;
      const unsupported = error instanceof UnsupportedError;
      return { name, message, feature, since, unsupported };
    }
  }
`;

interface Outcome {
  readonly name: string;
  readonly message: string;
  readonly feature?: string;
  readonly since?: string;
  readonly unsupported: boolean;
}

/** How the first calls of a program end. */
async function firstCalls(flags: string[], before = ""): Promise<Record<string, Outcome>> {
  const calls = `{
    fromSelf: outcome(() => PidFd.fromSelf()),
    fromPid: outcome(() => PidFd.fromPid(1)),
    again: outcome(() => PidFd.fromSelf()),
    features: outcome(() => features()),
  }`;
  const program = `${before}${BEGIN} console.log(JSON.stringify(${calls}));`;
  return await runForValue(program, flags) as Record<string, Outcome>;
}

for (
  const [what, flags] of Object.entries({
    "no permission": [],
    "another library's permission": ["--allow-ffi=/nowhere/libc.so.6"],
    "the permission denied": ["--allow-all", "--deny-ffi"],
  })
) {
  Deno.test(`libc can't be opened with ${what}, which the error says`, async () => {
    for (const { name, message, unsupported } of Object.values(await firstCalls(flags))) {
      assertEquals({ name, unsupported }, { name: "NotCapable", unsupported: false });
      assertMatch(message, /run with --allow-ffi, or with --allow-ffi=\/\S*\/libc\.so\.6 /);
    }
  });
}

/** Checks that each call says what is missing, and that no feature is offered then. */
async function assertUnsupported(
  before: string,
  { feature, since, reason }: { feature: string; since: string; reason: string },
): Promise<void> {
  const { features, ...calls } = await firstCalls(["--allow-ffi"], before);
  for (const { message, ...outcome } of Object.values(calls)) {
    assertEquals(outcome, { name: "UnsupportedError", unsupported: true, feature, since });
    assertStringIncludes(message, `${feature} is not available here: it needs ${since}; `);
    assertStringIncludes(message, reason);
  }
  assertGreater(Object.keys(features).length, 10);
  assertEquals(new Set(Object.values(features)), new Set([false]));
}

function shadowBuild(change: Partial<typeof Deno.build>): string {
  const build = JSON.stringify({ ...Deno.build, ...change });
  return `Object.defineProperty(Deno, "build", { value: ${build} });`;
}

Deno.test("libc can't be opened on another system than Linux, which the error says", async () => {
  for (const os of ["darwin", "windows", "freebsd"] as const) {
    await assertUnsupported(shadowBuild({ os }), {
      feature: "pidfd",
      since: "Linux 5.4",
      reason: `this is ${os}`,
    });
  }
});

Deno.test("libc can't be opened on an unknown architecture, which the error says", async () => {
  // One that Deno doesn't know either, so far.
  const arch = "riscv64" as typeof Deno.build.arch;
  await assertUnsupported(shadowBuild({ arch }), {
    feature: "this architecture",
    since: "x86_64 or aarch64",
    reason: `this is ${arch}`,
  });
});

Deno.test("libc can't be opened where there is none, which the error says", async () => {
  const missing = `
    const open = Deno.dlopen;
    Deno.dlopen = (path, table) => open("/nowhere/" + path, table);
  `;
  await assertUnsupported(missing, {
    feature: "libc.so.6",
    since: "a Linux with the GNU C library",
    // The loader's own words.
    reason: "/nowhere/libc.so.6: cannot open shared object file",
  });
});

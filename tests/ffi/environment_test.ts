/**
 * This program's environment, as it is and while it changes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { environment } from "../../ffi/environment.ts";
import { launcherLibc } from "../../ffi/launcher_symbols.ts";
import { fromCString } from "../../structs/cstring.ts";
import { setErrno } from "../support/errno.ts";
import { ROOT, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";

const NAME = "PIDFD_UTIL_TEST";

function variables(find = environment): Record<string, string> {
  return Object.fromEntries(
    find().map((bytes) => {
      const line = fromCString(bytes);
      const end = line.indexOf("=");
      return [line.slice(0, end), line.slice(end + 1)];
    }),
  );
}

/** Has a variable be set until the end of the block. */
function setting(value: string): Disposable {
  Deno.env.set(NAME, value);
  return { [Symbol.dispose]: () => Deno.env.delete(NAME) };
}

Deno.test("environment() is the environment as it is now", () => {
  for (const value of ["", "first", "a=b\nä".repeat(1000), "first"]) {
    using _set = setting(value);
    assertEquals(variables(), { ...Deno.env.toObject() });
    assertEquals(variables()[NAME], value);
  }
  assertEquals(NAME in variables(), false);
});

Deno.test("environment() is the same object as long as it is the same environment", () => {
  using _set = setting("value");
  const before = environment();
  assert(environment() === before);
  Deno.env.set(NAME, "another");
  assert(environment() !== before);
});

Deno.test("environment() finds more variables than it expects", () => {
  using stack = new DisposableStack();
  for (let i = 0; i < 2000; i++) {
    const name = `${NAME}_${i}`;
    Deno.env.set(name, String(i));
    stack.defer(() => Deno.env.delete(name));
  }
  assertEquals(variables(), { ...Deno.env.toObject() });
});

Deno.test("environment() works where a sandbox refuses to read memory for it", async () => {
  for (const errno of [Errno.EPERM, Errno.ENOSYS]) {
    // That it is refused is remembered.
    const fresh: { environment: typeof environment } = await import(
      `../../ffi/environment.ts?${errno}`
    );
    using _refusing = shadow(launcherLibc(), "process_vm_readv", () => () => {
      setErrno(errno);
      return -1;
    });
    using _set = setting(String(errno));
    assertEquals(variables(fresh.environment), { ...Deno.env.toObject() });
    Deno.env.set(NAME, "another");
    assertEquals(variables(fresh.environment)[NAME], "another");
  }
});

Deno.test("environment() looks again if the memory is gone meanwhile", () => {
  const libc = launcherLibc();
  const read = libc.process_vm_readv;
  let faults = 3;
  using _faulting = shadow(libc, "process_vm_readv", () => (...args) => {
    if (faults-- <= 0) return read(...args);
    setErrno(Errno.EFAULT);
    return -1;
  });
  using _set = setting("found");
  assertEquals(variables()[NAME], "found");
});

Deno.test("environment() is whole at any time while workers change it", async () => {
  // With few variables the array is reallocated often, and each has one of a few values.
  const found = await runForValue(
    `
    import { environment } from "${ROOT}ffi/environment.ts";
    import { fromCString } from "${ROOT}structs/cstring.ts";

    const code = \`
      self.onmessage = ({ data }) => {
        self.postMessage("begun");
        for (;;) {
          for (let i = 0; i < 200; i++) Deno.env.set("W" + data + "_" + i, "x".repeat(i));
          for (let i = 0; i < 200; i++) Deno.env.delete("W" + data + "_" + i);
        }
      };
    \`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    for (let i = 0; i < 2; i++) {
      const worker = new Worker(url, { type: "module" });
      worker.postMessage(i);
      await new Promise((resolve) => worker.onmessage = resolve);
    }
    const wrong = new Set();
    let changes = 0;
    let last;
    while (changes < 300) {
      const lines = environment();
      if (lines === last) continue;
      last = lines;
      changes++;
      for (const line of lines.map(fromCString)) {
        const [, i, x] = /^W\\d_(\\d+)=(x*)$/.exec(line) ?? [];
        if (i === undefined ? /^W/.test(line) || !/^[^=]+=/.test(line) : x.length !== Number(i)) {
          wrong.add(line);
        }
      }
      if (!lines.some((line) => fromCString(line).startsWith("PATH="))) wrong.add("no PATH");
    }
    console.log(JSON.stringify([...wrong]));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(found, []);
});

/**
 * How the options of `spawn` are read: wherever an object has them from, and once.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { type Child, spawn, type SpawnOptions } from "../../mod.ts";
import { isRoot } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** Both forms of a call with options. */
const FORMS: Readonly<Record<string, (options: SpawnOptions) => Child>> = {
  "spawn(command, options)": (options) => spawn("env", options),
  "spawn(command, args, options)": (options) => spawn("env", [], options),
};

for (const [form, start] of Object.entries(FORMS)) {
  Deno.test(`${form} takes options that an object inherits, by a getter, too`, async () => {
    class Options {
      clearEnv = true;
      get env() {
        return { A: "1" };
      }
    }
    const inheriting = Object.create({ clearEnv: true, env: { A: "1" } });
    for (const options of [inheriting, new Options()]) {
      const child = start(Object.assign(options, { stdout: "piped" }));
      assertEquals(await child.stdout.text(), "A=1\n");
      await child.status;
    }
  });

  Deno.test(`${form} reads each option once`, async () => {
    const reads: PropertyKey[] = [];
    const options = new Proxy<SpawnOptions>({ stdout: "null", env: {}, uid: undefined }, {
      get(target, name) {
        reads.push(name);
        return Reflect.get(target, name);
      },
    });
    assertEquals((await start(options).status).code, 0);
    assertEquals(reads.toSorted(), ["env", "stdout", "uid"]);
  });

  Deno.test(`${form} takes no option from Object.prototype`, async () => {
    const prototype = Object.prototype as Record<string, unknown>;
    const polluted = { colour: "red", cwd: "/none", argv0: 1 };
    try {
      Object.assign(prototype, polluted);
      assertEquals((await start({ stdout: "null" }).status).code, 0);
      assertThrows(() => start({ uuid: 0 } as SpawnOptions), TypeError, "options.uuid");
    } finally {
      for (const name of Object.keys(polluted)) delete prototype[name];
    }
  });
}

Deno.test({
  ...needing("root", isRoot, "spawn() never runs a command with more rights than options inherit"),
  async fn() {
    const options = Object.assign(Object.create({ uid: 65534 }), { stdout: "piped" });
    const child = spawn("id", ["-u"], options);
    assertEquals(await child.stdout.text(), "65534\n");
    await child.status;
  },
});

Deno.test("spawn() checks those arguments that the child gets", () => {
  const args = Object.assign(["good"], {
    *[Symbol.iterator]() {
      yield 1;
    },
  }) as unknown as string[];
  assertThrows(() => spawn("true", args), TypeError, "args[0] must be a string: 1");
  assertThrows(() => spawn("true", { args }), TypeError, "options.args[0] must be a string: 1");
});

Deno.test("spawn() names no option that isn't near an unknown one", () => {
  const options = { shell: true } as SpawnOptions;
  const { message } = assertThrows(() => spawn("true", options), TypeError);
  assertEquals(message, "options.shell is unknown");
});

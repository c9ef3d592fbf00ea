/**
 * Every constant of structs/ against the system's headers, where a C compiler can read them.
 * What the library does with them is tested with the calls that take them.
 *
 * @module
 */

import { assertEquals, fail } from "@std/assert";
import { evaluate, hasCompiler } from "../support/c_compiler.ts";
import { needing } from "../support/skip.ts";
import { exportsOfStructs } from "../support/structs.ts";

/** The header that has the constants whose names begin with a word. */
const HEADERS: Readonly<Record<string, string>> = {
  CGROUP2: "linux/magic.h",
  CLD: "signal.h",
  CLONE_ARGS: "linux/sched.h",
  EPOLL: "sys/epoll.h",
  PIDFD: "linux/pidfd.h",
  PID_FS: "linux/magic.h",
  RLIM64: "sys/resource.h",
  SCM: "sys/socket.h",
  SI: "signal.h",
  SOL: "sys/socket.h",
  STATX: "sys/stat.h",
  S_IF: "sys/stat.h",
};

/** What the kernel keeps to itself; the tests of `PidFd.fromId` show that it is right. */
const IN_NO_HEADER: ReadonlySet<string> = new Set(["FILEID_KERNFS"]);

Deno.test({
  ...needing("a C compiler", hasCompiler, "constants have the values that C gives them"),
  async fn(t) {
    const headers = new Map<string, Map<string, bigint>>();
    for (const [name, value] of await exportsOfStructs()) {
      if (typeof value !== "number" && typeof value !== "bigint") continue;
      if (IN_NO_HEADER.has(name)) continue;
      const prefix = Object.keys(HEADERS).find((prefix) => name.startsWith(prefix));
      const header = HEADERS[prefix ?? fail(`HEADERS doesn't say where ${name} comes from`)];
      headers.set(header, new Map(headers.get(header)).set(name, BigInt(value)));
    }
    for (const [header, constants] of headers) {
      const names = [...constants.keys()];
      const questions = names.map((name) => [name, { expression: name, macro: name }]);
      const inC = await evaluate(header, "", Object.fromEntries(questions));
      for (const [name, value] of constants) {
        const isThere = name in inC;
        await t.step({
          name: isThere ? name : `${name} (skipped: <${header}> doesn't have it)`,
          ignore: !isThere,
          // As 32 bits, because C's enumerators and ours needn't have the same sign.
          fn: () => assertEquals(BigInt.asIntN(32, value), BigInt.asIntN(32, BigInt(inC[name]))),
        });
      }
    }
  },
});

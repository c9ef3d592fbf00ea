/**
 * Handles after their end: every method refuses, and whoever got the number next is left alone.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { deadline } from "@std/async";
import { close } from "../../ffi/files.ts";
import { socketpair } from "../../ffi/sockets.ts";
import { OwnedFd, PidFd } from "../../mod.ts";
import { startUnreaped } from "../support/children.ts";
import { watchCalls } from "../support/calls.ts";
import { openAs, openOn } from "../support/fds.ts";
import { eventually, PATIENCE } from "../support/processes.ts";

type Handle = PidFd | OwnedFd;

/** How a handle ends. */
const ENDS: Record<string, (handle: Handle) => void> = {
  "close()": (handle) => handle.close(),
  "[Symbol.dispose]()": (handle) => handle[Symbol.dispose](),
  "intoFd()": (handle) => close(handle.intoFd()),
};

/** What can still be used afterwards. */
const LASTING: PropertyKey[] = [
  ...["constructor", "fd", "closed", "close", Symbol.dispose, Symbol.for("Deno.customInspect")],
];

/** Valid arguments for each method that needs some. */
const ARGUMENTS: Partial<Record<PropertyKey, unknown[]>> = {
  setCloseOnExec: [true],
  sendSignal: [0],
  kill: [0],
  getNamespace: ["net"],
  setNamespace: ["net"],
  getRemoteFd: [0],
  accessProc: [() => "something"],
};

/** The methods that reject where others throw. */
const ASYNC: PropertyKey[] = ["wait", "exited", "terminate"];

/** Every property of a handle that is of no use after its end. */
function ending(handle: Handle): PropertyKey[] {
  return Reflect.ownKeys(Object.getPrototypeOf(handle)).filter((key) => !LASTING.includes(key));
}

/** Uses a property, and returns what it throws or rejects with. */
async function refusal(handle: Handle, key: PropertyKey, args: unknown[]): Promise<unknown> {
  let result: unknown;
  try {
    const value = Reflect.get(handle, key);
    result = typeof value === "function" ? value.apply(handle, args) : value;
  } catch (error) {
    assert(!ASYNC.includes(key), `${String(key)} throws, where it should reject`);
    return error;
  }
  assert(ASYNC.includes(key), `${String(key)} returned ${result}`);
  return await deadline(
    (result as Promise<unknown>).then(() => "nothing", (error) => error),
    PATIENCE,
  );
}

for (const [end, finish] of Object.entries(ENDS)) {
  for (
    const [name, open] of [
      ["PidFd", (child: PidFd) => child.clone()],
      ["OwnedFd", (child: PidFd) => child.getNamespace("net")],
    ] as const
  ) {
    Deno.test(`${name} refuses everything after ${end}, without asking the kernel`, async () => {
      using child = startUnreaped("exec sleep 60");
      const handle: Handle = open(child.pidfd);
      // What it remembers of that is no answer later on.
      if (handle instanceof OwnedFd) handle.inode();
      else assert(handle.equals(child.pidfd));
      finish(handle);
      using calls = watchCalls();
      for (const key of ending(handle)) {
        const args = key === "equals" ? [child.pidfd] : ARGUMENTS[key] ?? [];
        const error = await refusal(handle, key, args);
        assertInstanceOf(error, Deno.errors.BadResource, String(key));
        assertEquals(error.message, `this ${name} is closed`);
      }
      assertEquals([handle.fd, handle.closed], [-1, true]);
      assertEquals(calls.names, []);
    });

    Deno.test(`${name}.close() after ${end} leaves alone who got the number next`, () => {
      using child = startUnreaped("exec sleep 60");
      const handle: Handle = open(child.pidfd);
      const { fd } = handle;
      finish(handle);
      openAs(fd);
      try {
        handle.close();
        handle[Symbol.dispose]();
        assertEquals(openOn(fd), "/dev/null");
      } finally {
        close(fd);
      }
    });
  }
}

Deno.test("PidFd refuses after close() even what it knows", async () => {
  using child = startUnreaped("exit 7");
  const pidfd = child.pidfd.clone();
  assertEquals(pidfd.waitSync().code, 7);
  pidfd.close();
  for (const key of ["wait", "waitSync", "tryWait", "exited", "isAlive", "terminate"]) {
    assertInstanceOf(await refusal(pidfd, key, []), Deno.errors.BadResource, key);
  }
});

Deno.test("PidFd.equals() refuses a closed handle as its argument", async () => {
  using self = PidFd.fromSelf();
  const other = PidFd.fromSelf();
  other.close();
  assertInstanceOf(await refusal(self, "equals", [other]), Deno.errors.BadResource);
});

Deno.test("OwnedFd refuses everything but its streams once these own the descriptor", async () => {
  const [one, other] = socketpair("stream");
  close(other);
  const owned = new OwnedFd(one);
  const { readable, writable } = owned;
  for (const key of ending(owned).filter((key) => key !== "readable" && key !== "writable")) {
    const error = await refusal(owned, key, ARGUMENTS[key] ?? []);
    assertInstanceOf(error, Deno.errors.BadResource, String(key));
  }
  assertEquals([owned.fd, owned.closed], [-1, true]);
  assertEquals([owned.readable === readable, owned.writable === writable], [true, true]);
  owned.close();
  await eventually("the socket is closed", () => openOn(one) === null);
});

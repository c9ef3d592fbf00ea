/**
 * How it is found out what the kernel can do, and what is remembered of that.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import * as capabilities from "../../ffi/capabilities.ts";
import { failure } from "../../ffi/call.ts";
import { Errno } from "../../ffi/errno.ts";
import { SyscallError, UnsupportedError } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { freshCapabilities } from "../support/fresh_capabilities.ts";
import { openFds, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { canFilter, needing } from "../support/skip.ts";
import { childrenOf } from "../support/trees.ts";

const HOUSE = new URL("../../", import.meta.url).href;

const { Capability, exitInfo, infoIoctl } = capabilities;

/** A capability whose probes end one after the other in these ways. */
function capability(...outcomes: (boolean | Error)[]) {
  const probe = () => {
    const outcome = outcomes.shift();
    if (outcome === undefined) throw new Error("probed too often");
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return new Capability("frobnicate", "Linux 9.9", probe);
}

for (const answer of [true, false]) {
  Deno.test(`Capability.available remembers that a probe returned ${answer}`, () => {
    const feature = capability(answer);
    assertEquals([feature.available, feature.available], [answer, answer]);
  });
}

Deno.test("Capability.available probes only when it is asked", () => {
  let probes = 0;
  const feature = new Capability("frobnicate", "Linux 9.9", () => ++probes > 0);
  assertEquals(probes, 0);
  assertEquals([feature.available, feature.available, probes], [true, true, 1]);
});

Deno.test("Capability.available probes with a pidfd of this process, and closes it", () => {
  const before = openFds();
  let pid: string | undefined;
  const feature = new Capability("frobnicate", "Linux 9.9", (self) => {
    const fdinfo = Deno.readTextFileSync(`/proc/self/fdinfo/${self}`);
    pid = /^Pid:\t(\d+)$/m.exec(fdinfo)?.[1];
    return true;
  });
  assert(feature.available);
  assertEquals(pid, String(Deno.pid));
  assertEquals(openFds(), before);
});

// What seccomp filters, gVisor and kernels without the feature were seen to answer.
for (const name of ["EPERM", "ENOSYS", "EINVAL", "ENOTTY", "EACCES", "EOPNOTSUPP"] as const) {
  Deno.test(`Capability.available takes ${name} for a no, and remembers it`, () => {
    const before = openFds();
    const feature = capability(failure("frobnicate", Errno[name]));
    assertEquals([feature.available, feature.available], [false, false]);
    assertEquals(openFds(), before);
  });
}

for (const name of ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"] as const) {
  Deno.test(`Capability.available throws ${name}, and tries again the next time`, () => {
    const before = openFds();
    const error = failure("frobnicate", Errno[name]);
    const feature = capability(error, error, true);
    assertStrictEquals(assertThrows(() => feature.available, SyscallError), error);
    assertStrictEquals(assertThrows(() => feature.require(), SyscallError), error);
    assertEquals([feature.available, feature.available], [true, true]);
    assertEquals(openFds(), before);
  });
}

Deno.test("Capability.available throws what is no answer of the kernel's", () => {
  const error = new TypeError("a mistake in the probe");
  const feature = capability(error, true);
  assertStrictEquals(assertThrows(() => feature.available, TypeError), error);
  assertEquals(feature.available, true);
});

Deno.test("Capability.require() throws UnsupportedError if the feature isn't there", () => {
  capability(true).require();
  const feature = capability(false);
  const error = assertThrows(() => feature.require(), UnsupportedError);
  assertEquals([error.feature, error.since], ["frobnicate", "Linux 9.9"]);
  assertEquals(error.message, "frobnicate is not available here: it needs Linux 9.9");
  assertThrows(
    () => feature.require("try turning it off"),
    UnsupportedError,
    "it needs Linux 9.9; try turning it off",
  );
});

Deno.test("exitInfo.available is a no without PIDFD_GET_INFO", () => {
  using _none = without(infoIoctl);
  assertEquals(exitInfo.available, false);
});

/** The capabilities, by their names. */
const KERNEL = Object.entries({ ...capabilities }).filter(([name]) => name !== "Capability") as [
  string,
  { available: boolean | undefined; since: string },
][];

Deno.test({
  ...needing(
    "Linux 6.16 without a seccomp filter",
    kernelIsAtLeast(6, 16) && !isFiltered(),
    "all capabilities are there that a new kernel has",
  ),
  fn() {
    for (const [name, { available, since }] of KERNEL) {
      if (kernelHas(since)) assertEquals([name, available], [name, true]);
    }
  },
});

Deno.test({
  ...needing(
    "a kernel without a seccomp filter",
    !isFiltered(),
    "each capability of the kernel is there since its version",
  ),
  fn() {
    for (const [name, { available, since }] of KERNEL) {
      // Distributions may have it earlier, but nobody later.
      if (kernelHas(since)) assert(available !== false, name);
    }
  },
});

const BIRTHS = ["cgroupSpawn", "killOnCloseSpawn"] as const;

for (const name of BIRTHS) {
  Deno.test(`${name}.available tries, and starts nothing`, async () => {
    const { [name]: birth } = await freshCapabilities();
    const before = { fds: openFds(), children: childrenOf(Deno.pid) };
    using calls = watchCalls();
    assertEquals(typeof birth.available, "boolean");
    assertEquals(calls.names.includes("bsearch"), true);
    assertEquals({ fds: openFds(), children: childrenOf(Deno.pid) }, before);
  });
}

for (
  const [name, answer] of BIRTHS.flatMap((name) => [[name, "EPERM"], [name, "ENOSYS"]] as const)
) {
  Deno.test({
    ...needing("seccomp", canFilter(), `${name} isn't there where a sandbox says ${answer}`),
    async fn() {
      const facts = await runForValue(
        `
        import { ${name} } from "${HOUSE}ffi/capabilities.ts";
        import { forbid } from "${HOUSE}tests/support/seccomp.ts";
        await new Deno.Command("true").output();
        forbid(["clone3"], ${Errno[answer]});
        console.log(${name}.available);
        Deno.exit();
      `,
        ["--allow-all"],
      );
      assertEquals(facts, false);
    },
  });
}

Deno.test("Capability.available tells a want of fds from a want of the feature", async () => {
  const names =
    (["getfdCall", "namespaceIoctls", "idHandles", "threadPidfds", "peerPidfds"] as const)
      .filter((name) => capabilities[name].available);
  const facts = await runForValue(
    `
    import * as capabilities from "${HOUSE}ffi/capabilities.ts";
    import { giveBack, takeAll } from "${HOUSE}tests/support/scarce_fds.ts";

    function look() {
      return ${JSON.stringify(names)}.map((name) => {
        try {
          return capabilities[name].available;
        } catch ({ code }) {
          return code;
        }
      });
    }
    takeAll();
    const none = look();
    giveBack(1);
    const one = look();
    giveBack(10);
    console.log(JSON.stringify({ none, one, plenty: look() }));
  `,
    ["--allow-all"],
  );
  const exhausted = names.map(() => "EMFILE");
  // One fd is enough for a pidfd to try with, but not for what the try would bring.
  assertEquals(facts, { none: exhausted, one: exhausted, plenty: names.map(() => true) });
});

function kernelHas(since: string): boolean {
  const [, major, minor] = /^Linux (\d+)\.(\d+)$/.exec(since)!;
  return kernelIsAtLeast(Number(major), Number(minor));
}

function kernelIsAtLeast(major: number, minor: number): boolean {
  const [ours, second] = Deno.osRelease().split(".").map((part) => parseInt(part));
  return ours > major || (ours === major && second >= minor);
}

function isFiltered(): boolean {
  return !/^Seccomp:\t0$/m.test(Deno.readTextFileSync("/proc/self/status"));
}

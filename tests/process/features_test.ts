/**
 * What the running system is said to offer.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import * as capabilities from "../../ffi/capabilities.ts";
import { type Features, features } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { runProgram } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

/** What each feature is an answer to. */
const SOURCES: Record<
  Exclude<keyof Features, "containment">,
  { readonly available: boolean | undefined; readonly since: string }
> = {
  pidfdOpen: capabilities.pidfdOpenCall,
  waitid: capabilities.waitidCall,
  getfd: capabilities.getfdCall,
  setns: capabilities.setnsPidfd,
  threads: capabilities.threadPidfds,
  signalScopes: capabilities.signalScopes,
  ids: capabilities.pidfsIds,
  namespaceIoctls: capabilities.namespaceIoctls,
  pidTranslation: capabilities.pidTranslation,
  coredumpInfo: capabilities.coredumpInfo,
  coredumpSignal: capabilities.coredumpSignal,
  namespaceIds: capabilities.namespaceIds,
  info: capabilities.infoIoctl,
  exitInfo: capabilities.exitInfo,
  idHandles: capabilities.idHandles,
  peerPidfds: capabilities.peerPidfds,
  cgroupSpawn: capabilities.cgroupSpawn,
  killOnClose: capabilities.killOnCloseSpawn,
  userNamespaces: capabilities.userNamespaces,
};

Deno.test("features() has an answer for everything that a system may lack", () => {
  const names = [...Object.keys(SOURCES), "containment"];
  assertEquals(Object.keys(features()).sort(), names.sort());
  const everything = Object.values(capabilities).filter((value) => typeof value === "object");
  assertEquals(everything.filter((one) => !Object.values(SOURCES).includes(one)), []);
});

for (const name of Object.keys(SOURCES) as (keyof typeof SOURCES)[]) {
  Deno.test(`features().${name} is what it says it is`, () => {
    const before = features();
    using _ = shadow(SOURCES[name], "available", () => !before[name]);
    const { exitInfo, ...others } = features();
    const { exitInfo: told, ...same } = { ...before, [name]: !before[name] };
    assertEquals(others, same);
    // Without that, only a process that was reaped can tell.
    if (name === "coredumpInfo") {
      const learned = capabilities.exitInfo.learned ?? null;
      assertEquals(exitInfo, before.info && (!before.coredumpInfo || learned));
      return;
    }
    // It hangs on the ioctl, of which some kernels say no more than that it is there.
    if (name === "info") assertEquals(exitInfo, before.info ? false : null);
    else assertEquals(exitInfo, told);
  });
}

Deno.test("features().exitInfo is null as long as only a reaped process could tell", () => {
  using _ = shadow(capabilities.exitInfo, "available", () => undefined);
  assertEquals(features().exitInfo, null);
});

Deno.test("features() remembers what it has found out", () => {
  const before = features();
  using calls = watchCalls();
  assertEquals(features(), before);
  assertEquals(calls.names, []);
});

const [major, minor] = Deno.osRelease().split(".").map(Number);
const isNew = isAtLeast(6, 16);
const isFree = /^Seccomp:\s+0$/m.test(Deno.readTextFileSync("/proc/self/status"));

Deno.test(
  needing(
    "Linux 6.16 without a seccomp filter",
    isNew && isFree,
    "features() finds all that the kernel has",
  ),
  () => {
    const missing = Object.entries(SOURCES).filter(([name, { since }]) => {
      const [, major, minor] = /^Linux (\d+)\.(\d+)$/.exec(since)!;
      return features()[name as keyof Features] !== isAtLeast(Number(major), Number(minor));
    });
    assertEquals(missing, []);
    assertEquals(features().containment === false, false);
  },
);

function isAtLeast(series: number, version: number): boolean {
  return major > series || (major === series && minor >= version);
}

Deno.test("features() says which permission it needs", async () => {
  const code = `
    import { features } from "@pidfd/util";
    try {
      features();
    } catch (error) {
      console.log(error.name, error.message.includes("run with --allow-ffi"));
    }
  `;
  const { stdout } = await runProgram(code, { flags: [] });
  assertEquals(stdout.trim(), "NotCapable true");
});

Deno.test("features() offers nothing on another system than Linux", async () => {
  const code = `
    Object.defineProperty(Deno, "build", { value: { ...Deno.build, os: "darwin" } });
    const { features } = await import("@pidfd/util");
    console.log(Object.values(features()).every((isThere) => isThere === false));
  `;
  const { stdout, stderr } = await runProgram(code);
  assertEquals([stdout.trim(), stderr], ["true", ""]);
});

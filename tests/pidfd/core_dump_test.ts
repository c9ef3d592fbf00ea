/**
 * What the kernel tells of core dumps, by the bits of its mask alone. The answers are made up: a
 * real one takes a core_pattern of a command or a socket, which is the whole machine's.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { infoIoctl } from "../../ffi/capabilities.ts";
import { libc } from "../../ffi/libc.ts";
import { PidFd } from "../../mod.ts";
import { pidfdInfoVer1 } from "../../structs/pidfd_info.ts";
import { startUnreaped } from "../support/children.ts";
import { TOLD } from "../support/exit_info.ts";
import { shadow, without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const COREDUMP = 1n << 4n;
const COREDUMP_SIGNAL = 1n << 6n;
const DUMPED = 1;
const AS_USER = 4;

/** Has the kernel say more than it does. */
function saying(mask: bigint, coredump_mask: number, coredump_signal: number): Disposable {
  const { ioctl } = libc();
  return shadow(libc(), "ioctl", () => (fd, request, bytes) => {
    const result = ioctl(fd, request, bytes);
    if (result === 0 && bytes instanceof Uint8Array && bytes.length === pidfdInfoVer1.size) {
      const view = new DataView(bytes.buffer);
      const { offsets } = pidfdInfoVer1;
      const known = view.getBigUint64(offsets.mask, true) & ~(COREDUMP | COREDUMP_SIGNAL);
      view.setBigUint64(offsets.mask, known | mask, true);
      view.setUint32(offsets.coredump_mask, coredump_mask, true);
      view.setUint32(offsets.coredump_signal, coredump_signal, true);
    }
    return result;
  });
}

function test(name: string, fn: () => Promise<void> | void): void {
  Deno.test({ ...needing("Linux 6.13", infoIoctl.available, name), fn });
}

test("PidFd.getInfo() tells of a core dump what the mask says is valid", () => {
  using self = PidFd.fromSelf();
  const told = (mask: bigint, coredump: number, signal: number) => {
    using _ = saying(mask, coredump, signal);
    return self.getInfo().coreDump;
  };
  assertEquals(told(0n, DUMPED, 11), null);
  assertEquals(told(COREDUMP, AS_USER, 0), null);
  assertEquals(told(COREDUMP_SIGNAL, DUMPED, 11), null);
  assertEquals(told(COREDUMP, DUMPED | AS_USER, 11), { signal: null, signalNumber: null });
  const both = COREDUMP | COREDUMP_SIGNAL;
  assertEquals(told(both, DUMPED, 11), { signal: "SIGSEGV", signalNumber: 11 });
  assertEquals(told(both, DUMPED, 40), { signal: null, signalNumber: 40 });
  assertEquals(self.getInfo().coreDump, null);
});

test("PidFd.getInfo() tells of no core dump before PIDFD_GET_INFO", () => {
  using _ = without(infoIoctl);
  using self = PidFd.fromSelf();
  assertEquals(self.getInfo().coreDump, null);
});

Deno.test({
  ...needing(...TOLD, "PidFd.wait() of a stranger takes the kernel's word for a core dump"),
  async fn() {
    const answers = [[COREDUMP, DUMPED, true], [COREDUMP, AS_USER, false], [0n, DUMPED, false]];
    for (const [mask, coredump, dumped] of answers as [bigint, number, boolean][]) {
      // A child that was reaped is a stranger to another handle.
      using child = startUnreaped("ulimit -c 0; kill -11 $$");
      using stranger = PidFd.fromPid(child.pid);
      child.pidfd.waitSync({ reap: true });
      using _ = saying(mask, coredump, 11);
      const { signal, coreDumped } = await stranger.wait();
      assertEquals([signal, coreDumped], ["SIGSEGV", dumped]);
    }
  },
});

/**
 * A worker that waits for the process whose PID it gets, and then posts the exit status. It
 * posts "waiting" before, once it does.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { PidFd } from "../../mod.ts";

self.onmessage = async ({ data: pid }: MessageEvent<number>) => {
  using pidfd = PidFd.fromPid(pid);
  const wait = pidfd.wait();
  // In the next turn its thread is parked.
  setTimeout(() => self.postMessage("waiting"));
  self.postMessage(await wait);
};

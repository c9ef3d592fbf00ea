/**
 * A program that runs only once at a time. If another instance runs, this one finds it and ends. It finds
 * none after a restart of the machine.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/pidfile.ts FILE
 *
 * A file with a bare PID can lie: the process may be gone, and another process may have its PID. This
 * file holds a ProcessRef, which names one process for good (Linux 6.9). A lock on the file decides
 * between two instances that start at the same moment.
 *
 * @module
 */

import { PidFd, ProcessRef, SyscallError } from "@pidfd/util";

const [path] = Deno.args;
if (path === undefined) {
  console.error("usage: pidfile.ts FILE");
  Deno.exit(2);
}

using other = claim(path);
if (other) {
  console.log(`runs already: ${other.getPid()}`);
  Deno.exit(1);
}
console.log(`runs now: ${Deno.pid}`);

// The program's own work comes here. This example waits for a signal.
await new Promise<void>((resolve) => {
  Deno.addSignalListener("SIGINT", resolve);
  Deno.addSignalListener("SIGTERM", resolve);
});
// The file stays. If it were removed, one instance could lock the old file and another a new one.

/** Returns the instance that runs already. If there is none, writes this one into the file. */
function claim(path: string): PidFd | undefined {
  using file = Deno.openSync(path, { read: true, write: true, create: true });
  // An instance that starts at the same moment waits here, and then reads which was first.
  file.lockSync(true);
  const running = find(readText(file));
  if (running) return running;
  using self = PidFd.fromSelf();
  file.truncateSync();
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${JSON.stringify(self.toRef())}\n`));
  // Closing the file unlocks it.
}

/** The process that a text refers to, if it runs. */
function find(text: string): PidFd | undefined {
  let ref: ProcessRef;
  try {
    ref = ProcessRef.fromJSON(JSON.parse(text));
  } catch (error) {
    // The file is new and empty, or another program wrote it.
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
  try {
    const pidfd = PidFd.fromRef(ref);
    if (pidfd.isAlive()) return pidfd;
    pidfd.close();
  } catch (error) {
    // The process is gone, another has its PID, or it belongs to an earlier boot.
    const isGone = error instanceof SyscallError &&
      ["ESRCH", "EREMCHG", "ESTALE"].includes(error.code);
    if (!isGone) throw error;
  }
}

function readText(file: Deno.FsFile): string {
  const bytes = new Uint8Array(4096);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

/**
 * A program of which one instance runs at a time. It finds the one that runs, also after a restart
 * of itself or of the machine, or else becomes it.
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/pidfile.ts FILE
 *
 * A file with a bare PID can lie: its process may be gone, and the PID somebody else's. This one
 * holds a ProcessRef, which names one process for good (Linux 6.9). The lock on the file makes
 * that hold for two who look at the same moment, too.
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

// The program itself comes here; this one waits until it is told to end.
await new Promise<void>((resolve) => {
  Deno.addSignalListener("SIGINT", resolve);
  Deno.addSignalListener("SIGTERM", resolve);
});
// The file stays: removed, it could be locked by one and made anew by another.

/** Returns who runs already; if nobody does, the file is ours now. */
function claim(path: string): PidFd | undefined {
  using file = Deno.openSync(path, { read: true, write: true, create: true });
  // Whoever looks at the same moment waits here, and then reads who was first.
  file.lockSync(true);
  const running = find(readText(file));
  if (running) return running;
  using self = PidFd.fromSelf();
  file.truncateSync();
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${JSON.stringify(self.toRef())}\n`));
  // Closing the file unlocks it.
}

/** The process that a text refers to, if it is there and runs. */
function find(text: string): PidFd | undefined {
  let ref: ProcessRef;
  try {
    ref = ProcessRef.fromJSON(JSON.parse(text));
  } catch (error) {
    // Empty, as it is new, or not from this program.
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
    // Gone, or its PID is another's, or it was in an earlier boot.
    const isGone = error instanceof SyscallError &&
      ["ESRCH", "EREMCHG", "ESTALE"].includes(error.code);
    if (!isGone) throw error;
  }
}

function readText(file: Deno.FsFile): string {
  const bytes = new Uint8Array(4096);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

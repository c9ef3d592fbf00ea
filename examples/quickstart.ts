/**
 * The main job: start a process, hold it by a pidfd, look at it, ask it to end, and learn how it
 * ended. Run it with `deno task demo`.
 *
 * @module
 */

import { type NamespaceKind, PidFd, spawn, SyscallError } from "@pidfd/util";

await using child = spawn("sleep", { args: ["1000"] });
const pidfd = child.pidfd;

const { pid, ppid, id, cgroupId, creds } = pidfd.getInfo();
const program = pidfd.accessProc((proc) => proc.readLink("exe"));
heading(`Started, and held as file descriptor ${pidfd.fd}`);
row("program", program);
row("pid", pid);
row("parent", `${ppid} (this program)`);
row("id", id === null ? "needs Linux 6.9" : `${id}, unique until the next boot`);
row("user", `${creds.ruid} real, ${creds.euid} effective`);
row("group", `${creds.rgid} real, ${creds.egid} effective`);
row("cgroup", cgroupId ?? "not to be seen from here");

const KINDS: NamespaceKind[] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
using self = PidFd.fromSelf();
heading("Its namespaces");
for (const kind of KINDS) {
  using theirs = pidfd.getNamespace(kind);
  using ours = self.getNamespace(kind);
  const shared = theirs.inode() === ours.inode() ? "shared with this program" : "its own";
  row(kind, `${theirs.inode()}, ${shared}`);
}

heading("Asked to end with SIGTERM");
const started = performance.now();
pidfd.sendSignal("SIGTERM");
const status = await child.status;
row("ended after", `${(performance.now() - started).toFixed(1)} ms`);
row("signal", status.signal);
row("exit code", `${status.code}, as a shell would say`);

heading("And now that it is gone");
try {
  pidfd.sendSignal("SIGTERM");
} catch (error) {
  if (!(error instanceof SyscallError)) throw error;
  row("a signal", `${error.code}: it can't hit the next process with PID ${pid}`);
}
console.log();

function heading(text: string): void {
  console.log(`\n%c${text}`, "font-weight: bold");
}

function row(name: string, value: unknown): void {
  console.log(`  %c${name.padEnd(12)}%c ${value}`, "color: cyan", "");
}

/**
 * What `deno task soak` does over and over again: each operation is complete in itself, checks
 * what came of it, and leaves nothing behind. All go by the module that users import.
 *
 * @module
 */

import { FdSocket, killTree, PidFd, spawn, SyscallError } from "../../../mod.ts";

declare const gc: () => void;

/** Away from the terminal, whose Ctrl-C is for this program alone. */
const QUIET = { stdin: "null", stdout: "null", stderr: "null", detached: true } as const;

/** Longer than any operation takes; should this program be killed, its children end after all. */
const LONG = { ...QUIET, args: ["600"] };

async function spawnAndWait(): Promise<void> {
  const child = spawn("sh", { ...QUIET, args: ["-c", "exit 7"] });
  using pidfd = child.pidfd;
  const [ours, theirs] = await Promise.all([pidfd.wait(), child.status]);
  expect("the exit codes", [ours.code, theirs.code], [7, 7]);
}

async function commandAndWait(): Promise<void> {
  const child = new Deno.Command("sh", { ...QUIET, args: ["-c", "exit 7"] }).spawn();
  using pidfd = PidFd.fromChild(child);
  const [ours, theirs] = await Promise.all([pidfd.wait(), child.status]);
  expect("the exit codes", [ours.code, theirs.code], [7, 7]);
}

async function signal(): Promise<void> {
  for (const name of ["SIGUSR1", "SIGKILL"] as const) {
    const child = spawn("sleep", LONG);
    using pidfd = child.pidfd;
    pidfd.sendSignal(0);
    pidfd.sendSignal(name);
    expect("the signal", (await pidfd.wait()).signal, name);
  }
}

async function terminate(): Promise<void> {
  const controller = new AbortController();
  const asked = spawn("sleep", LONG);
  const aborted = spawn("sleep", { ...LONG, signal: controller.signal });
  using pidfd = asked.pidfd;
  controller.abort();
  const ends = await Promise.all([pidfd.terminate({ grace: 600_000 }), aborted.status]);
  expect("the signals", ends.map(({ signal }) => signal), ["SIGTERM", "SIGTERM"]);
}

async function abortWaits(): Promise<void> {
  const child = spawn("sleep", LONG);
  using pidfd = child.pidfd;
  try {
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      const { signal } = controller;
      const waits = [pidfd.wait({ signal }), pidfd.exited({ signal })];
      // Some are aborted in the turn in which they began, some while the thread is parked.
      if (i % 2 === 0) await nextTurn();
      controller.abort();
      for (const wait of waits) await expectRejection(wait, "AbortError");
    }
    const clone = pidfd.clone();
    const wait = clone.exited();
    clone.close();
    await expectRejection(wait, "BadResource");
  } finally {
    pidfd.kill();
    await child.status;
  }
}

async function passHandles(): Promise<void> {
  for (const type of ["stream", "seqpacket"] as const) {
    const [here, there] = FdSocket.pair({ type });
    using _here = here;
    using _there = there;
    using self = PidFd.fromSelf();
    const [message] = await Promise.all([there.receive(), here.send("this is me", [self, self])]);
    expect("the number of descriptors", message?.fds.length, 2);
    for (const fd of message!.fds) {
      using received = PidFd.fromFd(fd.intoFd());
      expect("whose handle it is", received.equals(self), true);
    }
    await here.closeWrite();
    expect("what follows", await there.receive(), null);
  }
}

async function connect(): Promise<void> {
  const name = `@soak-${crypto.randomUUID()}`;
  await using listener = FdSocket.listen(name);
  const [client, server] = await Promise.all([FdSocket.connect(name), listener.accept()]);
  using _client = client;
  using _server = server;
  expect("the peer", server.peerCredentials().pid, Deno.pid);
  const controller = new AbortController();
  const waits = [
    server.receive({ signal: controller.signal }),
    listener.accept({ signal: controller.signal }),
  ];
  controller.abort();
  for (const wait of waits) await expectRejection(wait, "AbortError");
}

async function killSmallTree(): Promise<void> {
  const child = spawn("sh", {
    ...QUIET,
    args: ["-c", "sleep 600 & sleep 600 & echo; wait"],
    stdout: "piped",
  });
  using root = child.pidfd;
  const output = child.stdout.getReader();
  // From its first word on, all three are there.
  await output.read();
  const { ended, refused } = await killTree(root, { grace: 0 });
  expect("the number of processes", [ended.length, refused.length], [3, 0]);
  expect("the signal", (await child.status).signal, "SIGKILL");
  expect("the end of the output", (await output.read()).done, true);
}

/** More than a pipe holds, so that writing has to wait for reading. */
const DATA = crypto.getRandomValues(new Uint8Array(50_000)).toHex();

async function streams(): Promise<void> {
  await using child = spawn("cat", { ...QUIET, stdin: "piped", stdout: "piped", stderr: "piped" });
  const writing = new Blob([DATA]).stream().pipeTo(child.stdin);
  const [{ stdout, stderr, code }] = await Promise.all([child.output(), writing]);
  expect("the exit code", code, 0);
  expect("what came back", new TextDecoder().decode(stdout) === DATA, true);
  expect("the errors", stderr.length, 0);
}

async function abandonStreams(): Promise<void> {
  let pending: Promise<PromiseSettledResult<unknown>[]>;
  {
    await using child = spawn("sleep", { ...LONG, stdin: "piped", stdout: "piped" });
    // Nobody reads this, and nobody writes what is read.
    const write = child.stdin.getWriter().write(new Uint8Array(500_000));
    const read = child.stdout.getReader().read();
    pending = Promise.allSettled([write, read]);
    await nextTurn();
  }
  // Which error it is, or whether it is the end, depends on what is noticed first.
  const [write] = await pending;
  expect("the write", write.status, "rejected");
}

async function terminals(): Promise<void> {
  const args = ["-c", "stty -echo; echo ready; read -r line; echo $line; exit 7"];
  await using child = spawn("sh", { args, terminal: { columns: 100 } });
  const terminal = child.terminal!;
  const keys = terminal.writable.getWriter();
  let shown = "";
  for await (const text of terminal.readable.pipeThrough(new TextDecoderStream())) {
    shown += text;
    if (shown !== "ready\r\n") continue;
    terminal.resize(101, terminal.rows);
    await keys.write(new TextEncoder().encode("typed\r"));
  }
  expect("what is shown", shown, "ready\r\ntyped\r\n");
  expect("the exit code", (await child.status).code, 7);
  expect("the size", [terminal.columns, terminal.rows, terminal.closed], [101, 24, true]);
  // Another is hung up.
  const other = spawn("sleep", { args: ["600"], terminal: true });
  other.terminal!.close();
  expect("the signal", (await other.status).signal, "SIGHUP");
}

/** A sandbox can be without. */
const hasTerminals = [...Deno.readDirSync("/dev")].some(({ name }) => name === "ptmx");

async function fail(): Promise<void> {
  expectError(() => spawn(`/nonexistent/${crypto.randomUUID()}`, QUIET), "ENOENT");
  expectError(() => PidFd.fromPid(2 ** 31 - 1), "ESRCH");
  using self = PidFd.fromSelf();
  expectError(() => self.getRemoteFd(2 ** 31 - 1), "EBADF");
  expectError(() => self.accessProc((proc) => proc.readTextFile("none")), "ENOENT");
  const child = spawn("true", QUIET);
  using pidfd = child.pidfd;
  await child.status;
  expectError(() => pidfd.sendSignal(0), "ESRCH");
}

let drops = 0;

async function dropHandles(): Promise<void> {
  dropSome();
  // The engine collects when its heap is full, and knows little of descriptors and of buffers.
  if (++drops % 4 === 0) gc();
  await nextTurn();
  const child = spawn("true", { ...QUIET, stdout: "piped" });
  expect("whether it runs on", child.pidfd.closed, false);
  expect("the exit code", (await child.status).code, 0);
}

/** A function of its own, so that nothing is left on the stack. */
function dropSome(): void {
  const self = PidFd.fromSelf();
  self.clone();
  self.getNamespace("net").clone();
  FdSocket.pair();
}

/** All operations, by the names that the figures have. */
export const OPERATIONS = {
  spawnAndWait,
  commandAndWait,
  signal,
  terminate,
  abortWaits,
  passHandles,
  connect,
  killSmallTree,
  streams,
  abandonStreams,
  ...(hasTerminals ? { terminals } : {}),
  fail,
  dropHandles,
};

function expect(what: string, actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`);
}

async function expectRejection(promise: Promise<unknown>, name: string): Promise<void> {
  const error = await promise.then(() => new Error("it resolved"), (error) => error);
  if (error.name !== name) throw new Error(`it should reject with ${name}`, { cause: error });
}

function expectError(call: () => unknown, code: string): void {
  try {
    call();
  } catch (error) {
    if (error instanceof SyscallError && error.code === code) return;
    throw error;
  }
  throw new Error(`it should throw ${code}`);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

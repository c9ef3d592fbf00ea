/**
 * Signals: by name and number, to whom they go, and what goes along.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { signalScopes, threadPidfds } from "../../ffi/capabilities.ts";
import { PidFd, type Signal, spawn, SyscallError, UnsupportedError } from "../../mod.ts";
import {
  blockUntilEnded,
  isZombie,
  startTalking,
  startUnreaped,
  type TalkingChild,
} from "../support/children.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { isRoot, PATIENCE, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { canRun, needing } from "../support/skip.ts";

const SIGNALS: [Signal, number][] = [
  ["SIGTERM", 15],
  ["SIGUSR2", 12],
  ["SIGPOLL", 29],
  [9, 9],
  [40, 40],
  [64, 64],
];

for (const [signal, number] of SIGNALS) {
  Deno.test(`PidFd.sendSignal(${JSON.stringify(signal)}) sends signal ${number}`, () => {
    using child = startUnreaped("exec sleep 60");
    child.pidfd.sendSignal(signal);
    assertEquals(child.pidfd.waitSync({ reap: true }).signalNumber, number);
  });
}

Deno.test("PidFd.kill() sends SIGKILL unless told otherwise", () => {
  for (const [signal, expected] of [[undefined, "SIGKILL"], ["SIGINT", "SIGINT"]] as const) {
    using child = startUnreaped("exec sleep 60");
    child.pidfd.kill(signal);
    assertEquals(child.pidfd.waitSync({ reap: true }).signal, expected);
  }
});

Deno.test("PidFd.sendSignal(0) only asks, and a zombie is still there", () => {
  using child = startUnreaped("exec sleep 60");
  for (const value of [undefined, 7]) child.pidfd.sendSignal(0, { value });
  assertEquals(child.pidfd.isAlive(), true);
  child.pidfd.kill();
  blockUntilEnded(child.pid);
  child.pidfd.sendSignal(0);
  child.pidfd.kill();
  assertEquals(isZombie(child.pid), true);
});

Deno.test("PidFd.sendSignal() throws ESRCH once the process was reaped", () => {
  using child = startUnreaped("exit 0");
  child.pidfd.waitSync({ reap: true });
  for (const signal of [0, "SIGTERM", 40] as const) {
    const send = () => child.pidfd.sendSignal(signal);
    const { code, message } = assertThrows(send, SyscallError);
    assertEquals([code, message], [
      "ESRCH",
      "pidfd_send_signal: ESRCH: No such process (the process was reaped)",
    ]);
  }
});

/** Runs a program that must not signal processes of other users. */
const withoutKill = withoutCapability("kill");
const NOBODY = 65534;

/** A process of a user whom this one, or one without that right, must not signal. */
async function startForeigner(): Promise<AsyncDisposable & { pid: number; uid: number }> {
  if (!isRoot) {
    return { pid: 1, uid: Deno.statSync("/proc/1").uid!, async [Symbol.asyncDispose]() {} };
  }
  const args = [`--reuid=${NOBODY}`, "--clear-groups", "sh", "-c", "echo; read _"];
  const { child: { pid }, line, [Symbol.asyncDispose]: end } = startTalking("setpriv", args);
  await line();
  return { pid, uid: NOBODY, [Symbol.asyncDispose]: end };
}

const hasForeigner = isRoot ? works(withoutKill) : Deno.statSync("/proc/1").uid !== Deno.uid();

Deno.test(
  needing(
    "setpriv or a process of another user",
    hasForeigner,
    "PidFd of another user's process can do all but send it a signal",
  ),
  async () => {
    await using foreigner = await startForeigner();
    const program = `
      import { PidFd } from "@pidfd/util";
      using pidfd = PidFd.fromPid(${foreigner.pid});
      let refusal = null;
      try {
        pidfd.sendSignal(0);
      } catch ({ message }) {
        refusal = message;
      }
      const status = pidfd.accessProc((proc) => proc.readTextFile("status"));
      const uid = Number(/^Uid:.(\\d+)/m.exec(status)[1]);
      console.log(JSON.stringify([refusal, pidfd.isAlive(), uid, pidfd.getCreds().ruid]));
    `;
    assertEquals(await runForValue(program, ["--allow-ffi"], withoutKill), [
      "pidfd_send_signal: EPERM: Operation not permitted (the process belongs to another user)",
      true,
      foreigner.uid,
      foreigner.uid,
    ]);
  },
);

/** Real-time signals that libc has no use for, and those that a test needs blocked. */
const REAL_TIME = [40, 41, 42, 43, 44, 45];
const RECEIVER = new URL("../support/signal_receiver.ts", import.meta.url).href;
const BLOCKING = [`--block-signal=${REAL_TIME.join()}`];
const canBlock = canRun("env", [...BLOCKING, "true"]);

/** A Deno, and thus many threads, in which the real-time signals are blocked. */
async function startReceiver(signal = REAL_TIME[0]): Promise<TalkingChild> {
  const command = [Deno.execPath(), "run", "--allow-ffi", "--no-check", RECEIVER, String(signal)];
  const receiver = startTalking("env", [...BLOCKING, ...command]);
  assertEquals(await receiver.line(), "ready");
  return receiver;
}

Deno.test(
  needing("GNU env", canBlock, "PidFd.sendSignal() sends a value along, and from whom it comes"),
  async () => {
    await using receiver = await startReceiver(40);
    using pidfd = PidFd.fromChild(receiver.child);
    const sender = { signo: 40, pid: Deno.pid, uid: Deno.uid() };
    const SI_QUEUE = -1;
    for (const value of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      pidfd.sendSignal(40, { value });
      await receiver.say("take it");
      const received = JSON.parse(await receiver.line());
      assertEquals(received, { ...sender, code: SI_QUEUE, int: value });
    }
    const SI_USER = 0;
    pidfd.sendSignal(40);
    await receiver.say("take it");
    assertEquals(JSON.parse(await receiver.line()), { ...sender, code: SI_USER, int: 0 });
  },
);

/** The signals that wait for a thread alone, and those that wait for any of its process. */
function pending(pid: number, tid: number): { thread: number[]; process: number[] } {
  const status = Deno.readTextFileSync(`/proc/${pid}/task/${tid}/status`);
  const [thread, process] = ["SigPnd", "ShdPnd"].map((key) => {
    const set = BigInt(`0x${new RegExp(`^${key}:\\s+(\\w+)$`, "m").exec(status)![1]}`);
    return REAL_TIME.filter((signal) => (set >> BigInt(signal - 1)) & 1n);
  });
  return { thread, process };
}

Deno.test(
  needing(
    "GNU env and Linux 6.9",
    canBlock && threadPidfds.available,
    "PidFd.sendSignal() reaches what the handle stands for, or the target that it is told",
  ),
  async () => {
    await using receiver = await startReceiver();
    const { pid } = receiver.child;
    const tids = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => Number(name));
    const tid = tids.find((tid) => tid !== pid)!;
    using process = PidFd.fromChild(receiver.child);
    using thread = PidFd.fromPid(tid, { thread: true });
    process.sendSignal(40);
    process.sendSignal(41, { target: "process" });
    process.sendSignal(42, { target: "thread" });
    thread.sendSignal(43);
    thread.sendSignal(44, { target: "thread" });
    thread.sendSignal(45, { target: "process" });
    assertEquals(pending(pid, pid), { thread: [42], process: [40, 41, 45] });
    assertEquals(pending(pid, tid), { thread: [43, 44], process: [40, 41, 45] });
  },
);

Deno.test(
  needing(
    "Linux 6.9",
    signalScopes.available,
    "PidFd.sendSignal() reaches all of the process group that the process leads",
  ),
  async () => {
    const args = ["-c", "sleep 60 & sleep 60 & echo; wait"];
    await using leader = spawn("sh", { args, detached: true, stdout: "piped" });
    const output = leader.stdout.getReader();
    await deadline(output.read(), PATIENCE);
    leader.pidfd.sendSignal("SIGTERM", { target: "group" });
    // The output ends when the last of the three has.
    assertEquals((await deadline(output.read(), PATIENCE)).done, true);
    assertEquals((await leader.status).signal, "SIGTERM");
  },
);

Deno.test("PidFd.sendSignal() before Linux 6.9 reaches processes alone", () => {
  using _ = without(signalScopes);
  for (const options of [{}, { target: undefined }, { target: "process" }] as const) {
    using child = startUnreaped("exec sleep 60");
    for (const target of ["thread", "group"] as const) {
      const error = assertThrows(
        () => child.pidfd.sendSignal("SIGTERM", { target }),
        UnsupportedError,
      );
      assertEquals([error.feature, error.since], ["PIDFD_SIGNAL_THREAD_GROUP", "Linux 6.9"]);
    }
    assertEquals(child.pidfd.isAlive(), true);
    child.pidfd.sendSignal("SIGUSR1", options);
    assertEquals(child.pidfd.waitSync({ reap: true }).signal, "SIGUSR1");
  }
});

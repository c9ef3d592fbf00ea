/**
 * Every fd that the library opens is close-on-exec: programs that this one executes don't get it.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { deadline } from "@std/async";
import { join } from "@std/path";
import {
  idHandles,
  namespaceIoctls,
  peerPidfds,
  pidfsIds,
  threadPidfds,
} from "../ffi/capabilities.ts";
import { FdSocket, type OwnedFd, PidFd, spawn } from "../mod.ts";
import { isCloseOnExec } from "./support/fds.ts";
import { eventually, openFds, PATIENCE } from "./support/processes.ts";
import { without } from "./support/shadow.ts";
import { needing } from "./support/skip.ts";

/** Something that opens fds, and keeps them open until the stack is disposed of. */
type Opening = (stack: AsyncDisposableStack) => Promise<void> | void;

function socketPair(stack: AsyncDisposableStack): [FdSocket, FdSocket] {
  const [one, other] = FdSocket.pair();
  stack.use(one);
  stack.use(other);
  return [one, other];
}

const OPENINGS: Readonly<Record<string, Opening>> = {
  "PidFd.fromSelf()": (stack) => void stack.use(PidFd.fromSelf()),
  "PidFd.fromPid()": (stack) => void stack.use(PidFd.fromPid(Deno.pid)),
  "PidFd.clone()": (stack) => void stack.use(stack.use(PidFd.fromSelf()).clone()),
  "PidFd.getNamespace()": (stack) => {
    using self = PidFd.fromSelf();
    stack.use(self.getNamespace("net"));
  },
  "PidFd.getNamespace() before Linux 6.11": (stack) => {
    using _older = without(namespaceIoctls);
    using self = PidFd.fromSelf();
    stack.use(self.getNamespace("net"));
  },
  "PidFd.getRemoteFd()": (stack) => {
    using self = PidFd.fromSelf();
    stack.use(self.getRemoteFd(0));
  },
  "PidFd.accessProc()": (stack) => {
    const self = stack.use(PidFd.fromSelf());
    const { promise, resolve } = Promise.withResolvers<void>();
    const access = self.accessProc(() => promise);
    stack.defer(() => {
      resolve();
      return access;
    });
  },
  "PidFd.wait()": (stack) => {
    const self = stack.use(PidFd.fromSelf());
    const before = openFds();
    const controller = new AbortController();
    const wait = self.wait({ signal: controller.signal });
    const opened = openFds().filter((fd) => !before.includes(fd));
    stack.defer(async () => {
      controller.abort();
      await Promise.allSettled([wait]);
      // The parked thread closes them when it has come back.
      await eventually("the thread is back", () => !openFds().some((fd) => opened.includes(fd)));
    });
  },
  "OwnedFd.clone()": (stack) => {
    using self = PidFd.fromSelf();
    stack.use(stack.use(self.getNamespace("net")).clone());
  },
  "spawn()": (stack) => {
    const child = stack.use(spawn("cat", { stdin: "piped", stdout: "piped", stderr: "piped" }));
    stack.use(child.pidfd);
  },
  "spawn() with a terminal": (stack) => {
    stack.use(spawn("cat", { terminal: true }));
  },
  "FdSocket.pair()": (stack) => void socketPair(stack),
  "FdSocket.listen(), connect() and accept()": async (stack) => {
    const folder = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const listener = stack.use(FdSocket.listen(join(folder, "socket")));
    stack.use(await deadline(FdSocket.connect(listener.path), PATIENCE));
    stack.use(await deadline(listener.accept(), PATIENCE));
  },
  "FdSocket.receive()": async (stack) => {
    const [one, other] = socketPair(stack);
    using self = PidFd.fromSelf();
    await one.send("fd", [self]);
    const message = await deadline(other.receive(), PATIENCE);
    for (const fd of message!.fds) stack.use(fd);
  },
};

/** Those that not every kernel has, with what they need. */
const NEWER_OPENINGS: Readonly<Record<string, [string, { available: boolean }, Opening]>> = {
  "PidFd.fromPid() of a thread": [
    "Linux 6.9",
    threadPidfds,
    (stack) => void stack.use(PidFd.fromPid(Deno.pid, { thread: true })),
  ],
  "PidFd.fromRef()": ["Linux 6.9", pidfsIds, (stack) => {
    const self = stack.use(PidFd.fromSelf());
    stack.use(PidFd.fromRef(self.toRef()));
  }],
  "PidFd.fromId()": ["Linux 6.14", idHandles, (stack) => {
    const self = stack.use(PidFd.fromSelf());
    stack.use(PidFd.fromId(self.getId()));
  }],
  "FdSocket.peer()": ["Linux 6.5", peerPidfds, (stack) => {
    const [one] = socketPair(stack);
    stack.use(one.peer());
  }],
  "FdSocket.receive() with the sender": ["Linux 6.5", peerPidfds, async (stack) => {
    const [one, other] = socketPair(stack);
    const receive = other.receive({ sender: true });
    await one.send("hello");
    stack.use((await deadline(receive, PATIENCE))!.sender!);
  }],
};

async function assertCloseOnExec(open: Opening): Promise<void> {
  const before = new Set(openFds());
  await using stack = new AsyncDisposableStack();
  await open(stack);
  const opened = openFds().filter((fd) => !before.has(fd));
  assertGreater(opened.length, 0);
  assertEquals(opened.filter((fd) => !isCloseOnExec(Number(fd))), []);
}

for (const [name, open] of Object.entries(OPENINGS)) {
  Deno.test(`the fds of ${name} are close-on-exec`, () => assertCloseOnExec(open));
}

for (const [name, [what, { available }, open]] of Object.entries(NEWER_OPENINGS)) {
  Deno.test({
    ...needing(what, available, `the fds of ${name} are close-on-exec`),
    fn: () => assertCloseOnExec(open),
  });
}

Deno.test("PidFd.fromFd() makes an fd close-on-exec that wasn't", () => {
  using self = PidFd.fromSelf();
  self.setCloseOnExec(false);
  assertEquals(isCloseOnExec(self.fd), false);
  using taken = PidFd.fromFd(self.intoFd());
  assertEquals(isCloseOnExec(taken.fd), true);
});

Deno.test("setCloseOnExec() turns it off and on again, for one fd alone", () => {
  using self = PidFd.fromSelf();
  for (const handle of [self, self.getNamespace("net")] as (PidFd | OwnedFd)[]) {
    using owner = handle;
    using clone = owner.clone();
    const flags = [false, false, true, true].map((on) => {
      owner.setCloseOnExec(on);
      return isCloseOnExec(owner.fd);
    });
    assertEquals(flags, [false, false, true, true]);
    owner.setCloseOnExec(false);
    assertEquals(isCloseOnExec(clone.fd), true);
  }
});

/** The fds that a child of Deno's gets from this process, and those that it opens itself. */
async function fdsOfChild(): Promise<string[]> {
  const { stdout } = await new Deno.Command("ls", { args: ["/proc/self/fd"] }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n").sort();
}

Deno.test("a child gets no fd of the library's but those that it is to have", async () => {
  // What this process has inherited itself can be among them.
  const before = await fdsOfChild();
  await using stack = new AsyncDisposableStack();
  for (const open of Object.values(OPENINGS)) await open(stack);
  using inherited = PidFd.fromSelf();
  inherited.setCloseOnExec(false);
  assertEquals(await fdsOfChild(), [...before, String(inherited.fd)].sort());
});

/**
 * Descriptors on their way from socket to socket: which arrive, when, and what is left of them.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { socketLibc } from "../../ffi/socket_symbols.ts";
import { type FdMessage, FdSocket, PidFd } from "../../mod.ts";
import { startUnreaped } from "../support/children.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { works } from "../support/privileges.ts";
import { idle, isRoot, openFds, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { closeAll, fill, Pair, receiveBytes, someFd, textOf, TYPES } from "../support/sockets.ts";

/** What the descriptors of a message are open on. */
function linksOf(message: FdMessage | null): (string | null)[] {
  return message!.fds.map(({ fd }) => openOn(fd));
}

for (const type of TYPES) {
  Deno.test(`FdSocket passes a pidfd on over a ${type} socket, and it works`, async () => {
    using child = startUnreaped("exec sleep 60");
    using pair = new Pair(type);
    await pair.near.send("the child", [child.pidfd]);
    const message = await deadline(pair.far.receive(), PATIENCE);
    assertEquals([textOf(message), message?.fds.length], ["the child", 1]);
    assert(isCloseOnExec(message!.fds[0].fd));
    using received = PidFd.fromFd(message!.fds[0].intoFd());
    assert(received.fd !== child.pidfd.fd);
    assert(received.equals(child.pidfd));
    assertEquals(received.getPid(), child.pid);
    received.sendSignal("SIGTERM");
    const { signal } = await deadline(received.wait(), PATIENCE);
    assertEquals(signal, "SIGTERM");
  });

  Deno.test(`FdSocket passes several descriptors over a ${type} socket, in their order`, async () => {
    using pair = new Pair(type);
    using one = someFd();
    using other = someFd();
    using self = PidFd.fromSelf();
    const before = openFds();
    const fds = [self, one, other, one, pair.near.fd];
    await pair.near.send("x", fds);
    const message = await deadline(pair.far.receive(), PATIENCE);
    assertEquals(linksOf(message), fds.map((fd) => openOn(typeof fd === "number" ? fd : fd.fd)));
    assertEquals(message?.fds.map(({ fd }) => isCloseOnExec(fd)), Array(5).fill(true));
    closeAll(message);
    await idle();
    assertEquals(openFds(), before);
  });

  Deno.test(`FdSocket passes 253 descriptors over a ${type} socket, and refuses 254`, async () => {
    using pair = new Pair(type);
    using own = someFd();
    const before = openFds();
    await pair.near.send("all", Array(253).fill(own));
    const message = await deadline(pair.far.receive(), PATIENCE);
    assertEquals(linksOf(message), Array(253).fill(openOn(own.fd)));
    closeAll(message);

    const { sendmsg } = socketLibc();
    let calls = 0;
    using _count = shadow(socketLibc(), "sendmsg", () => (...args) => {
      calls++;
      return sendmsg(...args);
    });
    const tooMany = () => pair.near.send("all", Array(254).fill(own));
    await assertRejects(tooMany, RangeError, "fds must be at most 253 descriptors: 254");
    assertEquals(calls, 0);
    await idle();
    assertEquals(openFds(), before);
  });

  Deno.test(`FdSocket.send() delivers over ${type} what was closed after the call`, async () => {
    using pair = new Pair(type);
    const filled = fill(pair.near);
    const own = someFd();
    const link = openOn(own.fd);
    const sends = [pair.near.send("a", [own]), pair.near.send("b", [own])];
    own.close();
    // It has the number that was freed, and is not meant.
    using _other = someFd();
    await receiveBytes(pair.far, filled);
    for (const send of sends) {
      const message = await deadline(pair.far.receive(), PATIENCE);
      assertEquals(linksOf(message), [link]);
      closeAll(message);
      await deadline(send, PATIENCE);
    }
  });
}

Deno.test("FdSocket leaves nothing behind after 10,000 messages with a descriptor each", async () => {
  using pair = new Pair();
  using self = PidFd.fromSelf();
  using other = someFd();
  const links = [openOn(self.fd), openOn(other.fd)];
  const before = openFds();
  for (let i = 0; i < 10_000; i++) {
    const [send, receive] = [
      pair.near.send(`${i}`, [i % 2 === 0 ? self : other]),
      pair.far.receive(),
    ];
    const [message] = await Promise.all([receive, send]);
    const arrived = { text: textOf(message), links: linksOf(message) };
    closeAll(message);
    if (arrived.text !== `${i}` || `${arrived.links}` !== links[i % 2]) {
      assertEquals(arrived, { text: `${i}`, links: [links[i % 2]] });
    }
  }
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdSocket.receive() gives of a stream nothing behind data with descriptors", async () => {
  using pair = new Pair();
  using one = someFd();
  using other = someFd();
  const [x, y] = [openOn(one.fd), openOn(other.fd)];
  await pair.near.send("aa");
  await pair.near.send("b", [one]);
  await pair.near.send("cc");
  await pair.near.send("ddd", [other, one]);
  await pair.near.send("ee", [one]);
  await pair.near.send("ff");
  await pair.near.send("gg");
  const received: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    const message = await deadline(pair.far.receive(), PATIENCE);
    received.push([textOf(message), ...linksOf(message)]);
    closeAll(message);
  }
  // unix(7): such data end a receive, and may come with what was sent before them.
  assertEquals(received, [["aab", x], ["ccddd", y, x], ["ee", x], ["ffgg"]]);
});

Deno.test("FdSocket.receive() gives each seqpacket message its own descriptors", async () => {
  using pair = new Pair("seqpacket");
  using one = someFd();
  using other = someFd();
  const fds = [[one], [], [other, one], [], [other]];
  for (const [i, each] of fds.entries()) await pair.near.send(`${i}`, each);
  for (const [i, each] of fds.entries()) {
    const message = await deadline(pair.far.receive(), PATIENCE);
    assertEquals([textOf(message), linksOf(message)], [`${i}`, each.map(({ fd }) => openOn(fd))]);
    closeAll(message);
  }
});

Deno.test("FdSocket can be passed on itself", async () => {
  using pair = new Pair();
  using inner = new Pair("seqpacket");
  await pair.near.send("a socket", [inner.far.fd]);
  inner.far.close();
  const message = await deadline(pair.far.receive(), PATIENCE);
  using received = FdSocket.fromFd(message!.fds[0].intoFd());
  await inner.near.send("inside");
  assertEquals(textOf(await deadline(received.receive(), PATIENCE)), "inside");
});

Deno.test("FdSocket.receive() loses a message, and a stream, if there are no numbers for descriptors", async () => {
  const results = await runForValue(
    `import { FdSocket, PidFd, SyscallError } from "@pidfd/util";
    import { giveBack, takeAll } from ${JSON.stringify(`${ROOT}tests/support/scarce_fds.ts`)};
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const self = PidFd.fromSelf();
    const results = [];
    for (const type of ["stream", "seqpacket"]) {
      const [near, far] = FdSocket.pair({ type });
      await near.send("lost", Array(10).fill(self));
      await near.send("next", [self]);
      takeAll();
      giveBack(4);
      const before = count();
      const pending = [far.receive(), far.receive()];
      const [{ reason: error }, next] = await Promise.allSettled(pending);
      const after = count();
      const { data, fds: [fd] } = next.value ?? { fds: [] };
      results.push({
        isSyscallError: error instanceof SyscallError,
        ...{ code: error.code, syscall: error.syscall, message: error.message },
        left: after - before,
        next: next.reason?.name ?? new TextDecoder().decode(data),
        same: fd && PidFd.fromFd(fd.intoFd()).equals(self),
        closed: far.closed,
        peer: await near.send("x").then(() => "sent", ({ code }) => code),
      });
      giveBack(100);
    }
    console.log(JSON.stringify(results));`,
    ["--allow-all"],
  );
  const error = (message: string) => ({
    isSyscallError: true,
    code: "EMFILE",
    syscall: "recvmsg",
    message: "recvmsg: EMFILE: Too many open files (descriptors were lost with " + message + ")",
  });
  assertEquals(results, [
    {
      ...error(
        "4 bytes; those that arrived are closed, and so is the socket, " +
          "as a part of the stream is missing",
      ),
      // The socket itself.
      left: -1,
      // Nothing that would be taken for the next message.
      next: "BadResource",
      closed: true,
      peer: "EPIPE",
    },
    {
      ...error("4 bytes; those that arrived are closed"),
      // The next one's.
      left: 1,
      next: "next",
      same: true,
      closed: false,
      peer: "sent",
    },
  ]);
});

Deno.test("FdSocket.send() sends nothing if it can't hold all descriptors", async () => {
  const results = await runForValue(
    `import { FdSocket, PidFd } from "@pidfd/util";
    import { giveBack, takeAll } from ${JSON.stringify(`${ROOT}tests/support/scarce_fds.ts`)};
    const [near, far] = FdSocket.pair();
    const self = PidFd.fromSelf();
    takeAll();
    giveBack(4);
    const error = await near.send("not sent", Array(10).fill(self)).catch((error) => error);
    await near.send("sent", [self, self]);
    const { data, fds } = await far.receive();
    console.log(JSON.stringify([error.code, new TextDecoder().decode(data), fds.length]));`,
  );
  assertEquals(results, ["EMFILE", "sent", 2]);
});

/** Few descriptors, and none of root's rights to exceed them on the way. */
const LIMITED = [
  ...isRoot ? ["setpriv", "--bounding-set=-sys_admin,-sys_resource"] : [],
  ...["sh", "-c", 'ulimit -n 200; exec "$0" "$@"'],
];

Deno.test({
  ...needing(
    "setpriv",
    works(LIMITED),
    "FdSocket.send() rejects with ETOOMANYREFS if too many descriptors are on their way",
  ),
  async fn() {
    const results = await runForValue(
      `import { FdSocket, PidFd } from "@pidfd/util";
      const [near, far] = FdSocket.pair();
      const self = PidFd.fromSelf();
      const send = () => near.send("x", Array(50).fill(self));
      let error;
      let sent = 0;
      while (error === undefined && sent < 100) {
        await send().then(() => sent++, (reason) => error = reason);
      }
      const { fds } = await far.receive();
      for (const fd of fds) fd.close();
      await send();
      console.log(JSON.stringify([error.code, error.syscall, sent > 0]));`,
      undefined,
      LIMITED,
    );
    assertEquals(results, ["ETOOMANYREFS", "sendmsg", true]);
  },
});

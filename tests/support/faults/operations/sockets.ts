/**
 * UNIX sockets, and what travels over them.
 *
 * @module
 */

import { duplicate } from "../../../../ffi/files.ts";
import { socketpair, trySend } from "../../../../ffi/sockets.ts";
import { FdSocket, type FdSocketReceiveOptions, OwnedFd, PidFd } from "../../../../mod.ts";
import { ownFd } from "../../../../pidfd/owned_fd.ts";
import { abstractName, closeAll, encode, Folder, Pair, textOf } from "../../sockets.ts";
import { during, type Keep, on, type Operations, plain } from "../operation.ts";

const pair = (keep: Keep) => keep(new Pair());
const packets = (keep: Keep) => keep(new Pair("seqpacket"));

/** Two sockets, of which one has something to receive: data and a handle. */
async function withMessage(keep: Keep, sockets = pair(keep)): Promise<Pair> {
  await sockets.near.send("text", [keep(PidFd.fromSelf())]);
  return sockets;
}

/** Receives a message, and says what is in it. */
async function receive(
  { far }: Pair,
  keep: Keep,
  options: FdSocketReceiveOptions = {},
): Promise<unknown> {
  const message = await far.receive(options);
  keep({ [Symbol.dispose]: () => closeAll(message) });
  return () => [textOf(message), message?.fds.length, message?.sender?.getPid() === Deno.pid];
}

const listening = (keep: Keep) => keep(FdSocket.listen(abstractName()));

export const operations: Operations = {
  "FdSocket.pair()": plain((keep) => {
    const sockets = FdSocket.pair().map(keep);
    return () => sockets.length;
  }),
  "FdSocket.fromFd()": on(
    (keep) => {
      const [one, other] = socketpair("stream");
      keep(new OwnedFd(other));
      return keep(new OwnedFd(one));
    },
    (given) => {
      const socket = FdSocket.fromFd(given.fd);
      return () => socket.intoFd() === given.fd;
    },
  ),
  "FdSocket.listen()": on(abstractName, (name, keep) => {
    const listener = keep(FdSocket.listen(name));
    return () => listener.closed;
  }),
  "FdSocket.listen() at a path": on(
    (keep) => keep(new Folder()),
    (folder, keep) => {
      const listener = keep(FdSocket.listen(folder.at("socket")));
      return () => listener.closed;
    },
  ),
  "FdListener.close()": on(
    (keep) => keep(new Folder()),
    (folder) => {
      const name = crypto.randomUUID();
      FdSocket.listen(folder.at(name)).close();
      return () => [...Deno.readDirSync(folder.path)].some((entry) => entry.name === name);
    },
  ),
  "FdSocket.connect()": on(listening, async (listener, keep) => {
    const socket = keep(await FdSocket.connect(listener.path));
    return () => socket.closed;
  }),
  "FdListener.accept()": on(async (keep) => {
    const listener = listening(keep);
    keep(await FdSocket.connect(listener.path));
    return listener;
  }, async (listener, keep) => {
    const socket = keep(await listener.accept());
    return () => socket.closed;
  }),
  "FdListener.accept() that waits": on(listening, async (listener, keep) => {
    const connect = async () => keep(await FdSocket.connect(listener.path));
    const socket = keep(await during((signal) => listener.accept({ signal }), connect));
    return () => socket.closed;
  }),
  "FdSocket.send()": on(pair, ({ near }) => near.send("text")),
  "FdSocket.send() with a handle": on(
    (keep) => ({ near: pair(keep).near, self: keep(PidFd.fromSelf()) }),
    ({ near, self }) => near.send("text", [self, self]),
  ),
  "FdSocket.receive()": on(withMessage, receive),
  "FdSocket.receive() of one message": on(
    (keep) => withMessage(keep, packets(keep)),
    receive,
  ),
  "FdSocket.receive() that waits": on(
    pair,
    (sockets, keep) =>
      during((signal) => receive(sockets, keep, { signal }), () => sockets.near.send("text")),
  ),
  // A stream would be closed for good if the message were lost.
  "FdSocket.receive() with the sender": on(packets, (sockets, keep) =>
    during(
      (signal) => receive(sockets, keep, { signal, sender: true }),
      () => sockets.near.send("text"),
    )),
  "FdSocket.receive() at the end": on((keep) => {
    const sockets = pair(keep);
    sockets.near.close();
    return sockets;
  }, receive),
  "FdSocket.receive() at the end of messages": on((keep) => {
    const sockets = packets(keep);
    sockets.near.close();
    return sockets;
  }, receive),
  "FdSocket.receive() of a message without data": on((keep) => {
    const sockets = packets(keep);
    trySend(sockets.near.fd, encode(""));
    sockets.near.close();
    return sockets;
  }, receive),
  "FdSocket.receive() that is aborted": on(pair, ({ far }) => {
    const controller = new AbortController();
    const received = far.receive({ signal: controller.signal });
    controller.abort();
    return received;
  }),
  "FdSocket.closeWrite()": on(pair, ({ near }) => near.closeWrite()),
  "FdSocket.peer()": on(pair, ({ near }, keep) => {
    const peer = keep(near.peer());
    return () => peer.getPid() === Deno.pid;
  }),
  "FdSocket.peerCredentials()": on(pair, ({ near }) => near.peerCredentials().uid === Deno.uid()),
  "OwnedFd.readable": on((keep) => {
    const [one, other] = socketpair("stream");
    return { fd: keep(new OwnedFd(one)), writer: keep(FdSocket.fromFd(other)) };
  }, async ({ fd, writer }, keep) => {
    const reader = keep(ownFd(duplicate(fd.fd))).readable.getReader();
    const read = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => reader.cancel());
      return reader.read();
    };
    const { value } = await during(read, () => writer.send("text"));
    return value?.length;
  }),
  "OwnedFd.writable": on((keep) => {
    const [one, other] = socketpair("stream");
    return { fd: keep(new OwnedFd(one)), reader: keep(FdSocket.fromFd(other)) };
  }, async ({ fd }, keep) => {
    const writer = keep(ownFd(duplicate(fd.fd))).writable.getWriter();
    writer.closed.catch(() => {});
    await writer.write(encode("text"));
    await writer.close();
  }),
};

/**
 * One program starts a process and passes its handle to two others: to one as an inherited
 * descriptor, to the other in a message over a UNIX socket. All three programs are this file. The
 * first argument tells the role.
 *
 *     deno run --allow-ffi examples/pass_handle.ts
 *
 * @module
 */

import { FdSocket, PidFd, spawn } from "@pidfd/util";

/** The descriptor that a started program gets: 0, 1 and 2 are its standard streams. */
const GIVEN = 3;

switch (Deno.args[0]) {
  case undefined:
    await start();
    break;
  case "inheritor":
    inherit();
    break;
  case "receiver":
    await receive();
    break;
}

/** The starter starts the process. */
async function start(): Promise<void> {
  await using job = spawn("sleep", { args: ["1000"] });
  say("starter", `started ${describe(job.pidfd)}`);

  await using inheritor = again("inheritor", job.pidfd);
  await inheritor.status;

  const [here, there] = FdSocket.pair();
  await using receiver = again("receiver", there.fd);
  // The receiver has a duplicate now. As long as this one is open, it sees no end of the messages.
  there.close();
  await here.send("please end it", [job.pidfd]);
  here.close();

  const { signal } = await job.status;
  say("starter", `it was ended by ${signal}`);
  await receiver.status;
}

/** Starts this program in another role, with one descriptor. */
function again(role: string, fd: PidFd | number) {
  const args = ["run", "--allow-ffi", import.meta.filename!, role];
  return spawn("/proc/self/exe", { args, fds: { [GIVEN]: fd } });
}

/** The inheritor has the handle from its birth. */
function inherit(): void {
  using job = PidFd.fromFd(GIVEN);
  say("inheritor", `holds ${describe(job)}, and leaves it alone`);
}

/** The receiver gets the handle in a message. */
async function receive(): Promise<void> {
  using socket = FdSocket.fromFd(GIVEN);
  const message = await socket.receive();
  if (message === null) throw new Error("the starter is gone");
  using job = PidFd.fromFd(message.fds[0].intoFd());
  const text = new TextDecoder().decode(message.data);
  say("receiver", `was told "${text}", and holds ${describe(job)}`);
  job.kill("SIGTERM");
}

function describe(pidfd: PidFd): string {
  const { pid, id } = pidfd.getInfo();
  return id === null ? `process ${pid}` : `process ${pid} with id ${id}`;
}

function say(who: string, what: string): void {
  console.log(`%c${who.padEnd(9)}%c ${what}`, "color: cyan", "");
}

/**
 * Who is at the other end of a socket, and who has sent a message, on the kernel's word.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { peerPidfds } from "../../ffi/capabilities.ts";
import { libc } from "../../ffi/libc.ts";
import { FdSocket, PidFd, spawn, SyscallError, UnsupportedError } from "../../mod.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { idle, openFds, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { canRun, needing } from "../support/skip.ts";

const TYPES = ["stream", "seqpacket"] as const;

function test(name: string, fn: () => Promise<void> | void): void {
  Deno.test({ ...needing("Linux 6.5", peerPidfds.available, name), fn });
}

for (const type of TYPES) {
  test(`FdSocket.peer() of a ${type} pair is this program`, () => {
    const [here, there] = FdSocket.pair({ type });
    using _here = here;
    using _there = there;
    using self = PidFd.fromSelf();
    using peer = here.peer();
    assert(peer.equals(self));
    assert(isCloseOnExec(peer.fd));
  });

  test(`FdSocket.receive() names the sender of a ${type} message, if it is asked to`, async () => {
    const [here, there] = FdSocket.pair({ type });
    using _here = here;
    using _there = there;
    // From the first such call on, which is pending when the message is sent.
    const pending = there.receive({ sender: true });
    await here.send("to be named");
    const { sender } = (await deadline(pending, PATIENCE))!;
    using self = PidFd.fromSelf();
    using named = sender!;
    assert(named.equals(self));
    assert(isCloseOnExec(named.fd));
    await here.send("not any more");
    assertEquals((await deadline(there.receive(), PATIENCE))!.sender, null);
  });

  test(`FdSocket.receive() loses a message on ${type} if it can't take its sender`, async () => {
    const before = openFds();
    {
      const [here, there] = FdSocket.pair({ type });
      using _here = here;
      using _there = there;
      const pending = there.receive({ sender: true });
      const reason = new Error("a sandbox's");
      const refuse = () => {
        throw reason;
      };
      {
        using _refused = shadow(libc(), "fcntl", () => refuse);
        await here.send("lost");
        await here.send("next");
        assertEquals(await deadline(assertRejects(() => pending), PATIENCE), reason);
      }
      // Of a stream, nobody could tell what is missing.
      assertEquals(there.closed, type === "stream");
      if (type === "seqpacket") {
        assertEquals(new TextDecoder().decode((await there.receive())!.data), "next");
      }
    }
    await idle();
    assertEquals(openFds(), before);
  });
}

test("FdSocket.peer() is the process at the other end, and stays that", async () => {
  const value = await runForValue(
    `
    import { FdSocket, spawn } from "@pidfd/util";
    const listener = FdSocket.listen("@peers-" + Deno.pid);
    const program = \`
      import { FdSocket } from "${ROOT}mod.ts";
      using socket = await FdSocket.connect("\${listener.path}");
      await socket.receive();
    \`;
    const args = ["eval", "--no-check", program];
    const child = spawn(Deno.execPath(), { args });
    const socket = await listener.accept();
    const peer = socket.peer();
    const { pid, uid, gid } = socket.peerCredentials();
    const facts = [
      peer.equals(child.pidfd), pid === child.pid, uid === Deno.uid(), gid === Deno.gid(),
    ];
    await socket.send("bye");
    await child.status;
    // As long as the kernel keeps the identity for the socket, a handle on who is gone can be had
    // or is refused: never one on anybody else.
    let late = "the same";
    try {
      using again = socket.peer();
      if (!again.equals(peer)) late = "another";
    } catch ({ code }) {
      late = ["ESRCH", "EINVAL"].includes(code) ? "the same" : code;
    }
    facts.push(peer.isAlive(), late);
    console.log(JSON.stringify(facts));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(value, [true, true, true, true, false, "the same"]);
});

Deno.test("FdSocket.peerCredentials() are those of this program for a pair", () => {
  const [here, there] = FdSocket.pair();
  using _here = here;
  using _there = there;
  const expected = { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() };
  assertEquals(here.peerCredentials(), expected);
});

Deno.test("FdSocket says before Linux 6.5 what peers need", async () => {
  using _ = without(peerPidfds);
  const [here, there] = FdSocket.pair();
  using _here = here;
  using _there = there;
  assertEquals(assertThrows(() => here.peer(), UnsupportedError).since, "Linux 6.5");
  const refusal = assertRejects(() => here.receive({ sender: true }), UnsupportedError);
  assertEquals((await refusal).since, "Linux 6.5");
});

/** A program in Python, with a socket as its descriptor 3, and an end that is ours. */
function startPython(type: "stream" | "seqpacket", program: string) {
  const [ours, theirs] = FdSocket.pair({ type });
  const kind = type === "stream" ? "SOCK_STREAM" : "SOCK_SEQPACKET";
  const code = `
import os, signal, socket, subprocess
s = socket.socket(socket.AF_UNIX, socket.${kind}, fileno=3)
${program}
`;
  const child = spawn("python3", { args: ["-c", code], fds: { 3: theirs.fd }, stdout: "piped" });
  theirs.close();
  return { ours, child };
}

const hasPython = canRun("python3", [
  "-c",
  "import os, socket; os.pidfd_open, socket.send_fds, socket.recv_fds",
]);

for (const type of TYPES) {
  Deno.test(
    needing("Python 3.9", hasPython, `FdSocket gets a pidfd from Python over a ${type} socket`),
    async () => {
      const before = openFds();
      {
        const { ours, child } = startPython(
          type,
          `
other = subprocess.Popen(["sleep", "60"])
socket.send_fds(s, [str(other.pid).encode()], [os.pidfd_open(other.pid)])
print(other.wait())
`,
        );
        using _ours = ours;
        const { data, fds } = (await deadline(ours.receive(), PATIENCE))!;
        using pidfd = PidFd.fromFd(fds[0].intoFd());
        assertEquals(String(pidfd.getPid()), new TextDecoder().decode(data));
        pidfd.kill("SIGTERM");
        await deadline(pidfd.exited(), PATIENCE);
        // Its parent's status is still its parent's.
        assertEquals((await child.stdout.text()).trim(), "-15");
        assertEquals((await deadline(child.status, PATIENCE)).code, 0);
      }
      await idle();
      assertEquals(openFds(), before);
    },
  );

  Deno.test(
    needing("Python 3.9", hasPython, `FdSocket gives a pidfd to Python over a ${type} socket`),
    async () => {
      await using other = spawn("sleep", { args: ["60"] });
      const { ours, child } = startPython(
        type,
        `
data, fds, flags, _ = socket.recv_fds(s, 100, 4)
info = dict(line.split(":", 1) for line in open(f"/proc/self/fdinfo/{fds[0]}") if ":" in line)
signal.pidfd_send_signal(fds[0], signal.SIGUSR1)
print(data.decode(), len(fds), int(info["Pid"]), os.fstat(fds[0]).st_ino)
`,
      );
      using _ours = ours;
      await ours.send("this one", [other.pidfd]);
      const [text, count, pid, inode] = (await child.stdout.text()).trim().split(/ (?=\d)/);
      assertEquals([text, count, pid], ["this one", "1", String(other.pid)]);
      assertEquals(Number(inode), Deno.statSync(`/proc/self/fd/${other.pidfd.fd}`).ino);
      assertEquals((await deadline(other.status, PATIENCE)).signal, "SIGUSR1");
      assertEquals((await deadline(child.status, PATIENCE)).code, 0);
      assertThrows(() => other.pidfd.getPid(), SyscallError, "ESRCH");
    },
  );
}

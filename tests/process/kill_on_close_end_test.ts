/**
 * When the kernel kills a child with `killOnClose`: at the end of the program, however it comes, unless
 * another program has a handle.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { FdSocket, PidFd } from "../../mod.ts";
import { testMortal } from "../support/kill_on_close.ts";
import { eventually, isRoot, PATIENCE, ROOT } from "../support/processes.ts";
import { startProgram } from "../support/programs.ts";
import { Folder } from "../support/sockets.ts";
import { childrenOf } from "../support/trees.ts";

/** A program that starts a child, and tells its PID. What it goes on with is added. */
function program(code: string, options = ""): ReturnType<typeof startProgram> {
  return startProgram(`
    import { FdSocket, PidFd, spawn } from "${ROOT}mod.ts";
    const child = spawn("sleep", { args: ["60"], killOnClose: true, stdin: "null", ${options} });
    ${code}
    console.log(child.pid);
    const line = new Uint8Array(16);
  `);
}

/** A handle on the child of such a program. */
async function childOf({ line }: { line(): Promise<string> }): Promise<PidFd> {
  return PidFd.fromPid(Number(await line()));
}

const ENDS: Record<string, string> = {
  "its last line": "child.unref();",
  "Deno.exit()": "setTimeout(() => Deno.exit(3), 200);",
  "an uncaught error": "setTimeout(() => { throw new Error(); }, 200);",
  "SIGTERM": "setTimeout(() => Deno.kill(Deno.pid, 'SIGTERM'), 200);",
  "SIGKILL": "setTimeout(() => Deno.kill(Deno.pid, 'SIGKILL'), 200);",
};

for (const [how, code] of Object.entries(ENDS)) {
  for (const options of ["", ...isRoot ? ["uid: 65534, gid: 65534"] : []]) {
    const whose = options === "" ? "" : " of another user";
    testMortal(`has the child${whose} killed when the program ends by ${how}`, async () => {
      await using ending = program("await Deno.stdin.read(new Uint8Array(1));\n" + code, options);
      // It goes on once the handle is there: that of a process that is gone can't be had.
      const pids = () => childrenOf(ending.child.pid);
      await eventually("the child is there", () => pids().length === 1);
      using pidfd = PidFd.fromPid(pids()[0]);
      await ending.say("");
      assertEquals((await deadline(pidfd.wait(), PATIENCE)).signal, "SIGKILL");
    });
  }
}

/** Kills a program, and resolves once it has ended. */
async function kill({ child }: { child: Deno.ChildProcess }): Promise<void> {
  child.kill("SIGKILL");
  await deadline(child.status, PATIENCE);
}

testMortal("isn't kept alive by a handle from elsewhere", async () => {
  await using ending = program("");
  using pidfd = await childOf(ending);
  using byId = PidFd.fromId(pidfd.getId());
  using byRef = PidFd.fromRef(pidfd.toRef());
  using clone = pidfd.clone();
  await kill(ending);
  for (const handle of [pidfd, byId, byRef, clone]) {
    assertEquals((await deadline(handle.wait(), PATIENCE)).signal, "SIGKILL");
  }
});

testMortal("is kept alive by a handle that was sent over a socket", async () => {
  using folder = new Folder();
  const path = folder.at("socket");
  using listener = FdSocket.listen(path);
  await using ending = program(`
    const socket = await FdSocket.connect(${JSON.stringify(path)});
    await socket.send("child", [child.pidfd]);
  `);
  using socket = await deadline(listener.accept(), PATIENCE);
  const message = await deadline(socket.receive(), PATIENCE);
  using received = PidFd.fromFd(message!.fds[0].intoFd());
  using watched = await childOf(ending);
  await kill(ending);
  assertEquals(received.isAlive(), true);
  using clone = received.clone();
  received.close();
  assertEquals(clone.isAlive(), true);
  clone.close();
  assertEquals((await deadline(watched.wait(), PATIENCE)).signal, "SIGKILL");
});

testMortal("is kept alive by a handle that another process got", async () => {
  for (const how of ["inherits", "takes"]) {
    await using heir = startProgram(`
      import { PidFd } from "${ROOT}mod.ts";
      console.log("ready");
      const buffer = new Uint8Array(64);
      const [pid, fd] = new TextDecoder().decode(buffer.subarray(0, await Deno.stdin.read(buffer)))
        .split(" ").map(Number);
      globalThis.kept = PidFd.fromPid(pid).getRemoteFd(fd);
      console.log("taken");
      await Deno.stdin.read(buffer);
    `);
    assertEquals(await heir.line(), "ready");
    await using ending = program(
      how === "inherits"
        ? `
      const heir = spawn("sleep", { args: ["60"], fds: { 3: child.pidfd }, stdin: "null" });
      console.log(heir.pid);
    `
        : `
      console.log(child.pidfd.fd);
    `,
    );
    const number = Number(await ending.line());
    using watched = await childOf(ending);
    if (how === "inherits") {
      using inheriting = PidFd.fromPid(number);
      await kill(ending);
      assertEquals([inheriting.isAlive(), watched.isAlive()], [true, true]);
      inheriting.kill();
    } else {
      await heir.say(`${ending.child.pid} ${number}`);
      assertEquals(await heir.line(), "taken");
      await kill(ending);
      assertEquals(watched.isAlive(), true);
      await kill(heir);
    }
    assertEquals((await deadline(watched.wait(), PATIENCE)).signal, "SIGKILL");
  }
});

testMortal("has a worker's child go on until the program ends", async () => {
  await using ending = startProgram(`
    const code = \`
      import { spawn } from "file://${ROOT}mod.ts";
      const child = spawn("sleep", { args: ["60"], killOnClose: true, stdin: "null" });
      self.postMessage(child.pid);
      await child.status;
    \`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    const pid = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.terminate();
    console.log(pid);
    await Deno.stdin.read(new Uint8Array(1));
    Deno.exit();
  `);
  using pidfd = await childOf(ending);
  assertEquals(pidfd.isAlive(), true);
  await kill(ending);
  assertEquals((await deadline(pidfd.wait(), PATIENCE)).signal, "SIGKILL");
});

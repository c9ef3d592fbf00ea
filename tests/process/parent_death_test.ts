/**
 * Children that the kernel signals when the thread ends that they were started by.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { AT_FDCWD, O_RDWR, openat, setNonblocking, tryRead, tryWrite } from "../../ffi/files.ts";
import { stringVector } from "../../ffi/steps.ts";
import { OwnedFd, PidFd, spawn } from "../../mod.ts";
import { setUp } from "../../process/setup.ts";
import { eventually, isRoot, PATIENCE, readStat, ROOT, runForValue } from "../support/processes.ts";
import { startProgram } from "../support/programs.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { childrenOf, Mark } from "../support/trees.ts";

const PR_GET_PDEATHSIG = 2;
const libc = Deno.dlopen("libc.so.6", {
  // int prctl(int op, int *sig);
  prctl: { parameters: ["i32", "buffer"], result: "i32" },
});

for (const identity of [{}, ...(isRoot ? [{ uid: 65534, gid: 65534 }] : [])]) {
  for (const parentDeathSignal of ["SIGKILL", "SIGTERM", 34] as const) {
    const options = { ...identity, parentDeathSignal };
    Deno.test(`spawn() with ${Deno.inspect(options)} has the child end with the program`, async () => {
      await using mark = new Mark();
      await using program = startProgram(`
        import { spawn } from "@pidfd/util";
        spawn("sleep", { args: ["60"], env: ${JSON.stringify(mark.env)}, ...${
        JSON.stringify(options)
      } });
        console.log("started");
      `);
      assertEquals(await program.line(), "started");
      await eventually("the child is marked", () => mark.pids().length === 1);
      program.child.kill("SIGKILL");
      await eventually("the child has ended", () => mark.pids().length === 0);
    });
  }
}

Deno.test("spawn() with parentDeathSignal leaves this program's own signal as it is", async () => {
  const own = () => {
    const signal = new Int32Array(1);
    libc.symbols.prctl(PR_GET_PDEATHSIG, new Uint8Array(signal.buffer));
    return signal[0];
  };
  const before = own();
  const child = spawn("true", { parentDeathSignal: "SIGTERM" });
  assertEquals(own(), before);
  assertEquals((await child.status).code, 0);
});

Deno.test("spawn() with parentDeathSignal has a worker's child end with the worker", async () => {
  await using mark = new Mark();
  const code = `
    import { spawn } from "file://${ROOT}mod.ts";
    const child = spawn("sleep", {
      args: ["60"],
      env: ${JSON.stringify(mark.env)},
      parentDeathSignal: "SIGKILL",
    });
    self.postMessage(child.pid);
    await child.status;
  `;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  try {
    const { promise, resolve } = Promise.withResolvers<number>();
    worker.onmessage = ({ data }) => resolve(data);
    const pid = await deadline(promise, PATIENCE);
    // A process that has just executed has its environment a moment later.
    await eventually("the child is marked", () => mark.pids().includes(pid));
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
  await eventually("the child has ended", () => mark.pids().length === 0);
});

Deno.test({
  ...needing(
    "root",
    isRoot,
    "spawn() with parentDeathSignal works in another PID namespace, whose processes see no parent",
  ),
  async fn() {
    const found = await runForValue(
      `
      import { stringVector } from "${ROOT}ffi/steps.ts";
      import { start } from "${ROOT}process/start.ts";
      import { PidFd } from "@pidfd/util";

      const libc = Deno.dlopen("libc.so.6", { unshare: { parameters: ["i32"], result: "i32" } });
      const codes = [];
      const run = (command) => {
        const fds = new Map([0, 1, 2].map((fd) => [fd, fd]));
        const environment = stringVector([], "env");
        const argv = ["sh", "-c", command];
        const plan = { path: "/bin/sh", argv, environment, fds, parentDeathSignal: 9 };
        using pidfd = PidFd.fromFd(start(plan).pidfd);
        codes.push(pidfd.waitSync({ reap: true }).code);
      };
      run("[ $PPID = " + Deno.pid + " ]");
      const CLONE_NEWPID = 0x20000000;
      codes.push(libc.symbols.unshare(CLONE_NEWPID));
      // Deno can have no further threads from here on.
      run("[ $$ = 1 ] && [ $PPID = 0 ]");
      console.log(JSON.stringify(codes));
      Deno.exit();
    `,
      ["--allow-all"],
    );
    assertEquals(found, [0, 0, 0]);
  },
});

/**
 * A FIFO that is full: who writes to it waits, until this program lets go. Its other end stays open
 * whatever becomes of the writer.
 */
class FullFifo implements Disposable {
  readonly #folder = new Folder();
  readonly path = this.#folder.at("fifo");
  readonly #fd: OwnedFd;

  constructor() {
    const { success } = new Deno.Command("mkfifo", { args: [this.path] }).outputSync();
    assertEquals(success, true);
    this.#fd = new OwnedFd(openat(AT_FDCWD, this.path, O_RDWR));
    setNonblocking(this.#fd.fd);
    while (tryWrite(this.#fd.fd, new Uint8Array(4096)) > 0);
  }

  letGo(): void {
    while (tryRead(this.#fd.fd, new Uint8Array(1 << 16)) > 0);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
    this.#folder[Symbol.dispose]();
  }
}

/** The child's steps up to its execution, of which any can be the one that this program ends before. */
const STEPS = [...setUp({
  ...{ path: "/bin/sh", argv: [], environment: stringVector([], "env"), parentDeathSignal: 9 },
  fds: new Map([0, 1, 2, 3].map((fd) => [fd, fd])),
})].length;

for (const signal of [9, 15]) {
  Deno.test(`spawn() with parentDeathSignal ${signal} leaves no child if the program is killed before the execution`, async () => {
    for (let place = 0; place < STEPS; place++) {
      using fifo = new FullFifo();
      using folder = new Folder();
      const proof = folder.at("executed");
      await using program = startProgram(`
        import { AT_FDCWD, O_WRONLY, openat } from "${ROOT}ffi/files.ts";
        import { launch } from "${ROOT}ffi/launch.ts";
        import { stringVector, write } from "${ROOT}ffi/steps.ts";
        import { setUp } from "${ROOT}process/setup.ts";

        const fifo = openat(AT_FDCWD, ${JSON.stringify(fifo.path)}, O_WRONLY);
        const steps = [...setUp({
          path: "/bin/sh",
          argv: ["sh", "-c", ${JSON.stringify(`echo > ${proof}; exec sleep 60`)}],
          environment: stringVector(["PATH=/usr/bin:/bin"], "env"),
          fds: new Map([0, 1, 2, fifo].map((fd) => [fd, fd])),
          parentDeathSignal: ${signal},
        })];
        console.log("ready");
        steps.splice(${place}, 0, write(fifo, "x", "the place to wait at"));
        launch({ steps, changesUser: false });
      `);
      assertEquals(await program.line(), "ready");
      await eventually("the child waits", () => childrenOf(program.child.pid).length === 1);
      const [pid] = childrenOf(program.child.pid);
      await eventually("it waits", () => readStat(pid)?.state === "S");
      using pidfd = PidFd.fromPid(pid);
      program.child.kill("SIGKILL");
      await deadline(program.child.status, PATIENCE);
      fifo.letGo();
      await deadline(pidfd.exited(), PATIENCE);
      assertThrows(() => Deno.statSync(proof), Deno.errors.NotFound);
    }
  });
}

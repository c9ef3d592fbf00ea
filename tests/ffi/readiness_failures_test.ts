/**
 * One failure fails one: each waiter gets its own error, all others go on, and nothing spins.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { deadline } from "@std/async";
import { close, duplicate, pipe, write } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { ready, watch } from "../../ffi/readiness.ts";
import { SyscallError } from "../../mod.ts";
import { EPOLLIN } from "../../structs/epoll_event.ts";
import { startUnreaped } from "../support/children.ts";
import { eventually, idle, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";

const BYTE = new Uint8Array([1]);

/** Rejects or resolves as a waiter does whose look does something else. */
function lookingBy(fd: number, look: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    watch({
      fd,
      events: EPOLLIN,
      look() {
        const isOver = look();
        if (isOver) resolve();
        return isOver;
      },
      fail: reject,
    });
  });
}

Deno.test("watch() fails the waiter whose look throws, and no other of the same fd", async () => {
  const { read, write: end } = pipe();
  const error = new Error("no look");
  const fails = lookingBy(read, () => {
    throw error;
  });
  const resolves = ready(read, EPOLLIN);
  const rejected = assertRejects(() => fails, Error);
  write(end, BYTE);
  assertStrictEquals(await deadline(rejected, PATIENCE), error);
  assertEquals(await deadline(resolves, PATIENCE), EPOLLIN);
  await idle();
  close(read);
  close(end);
});

Deno.test("watch() looks again at each change until the look ends the wait", async () => {
  const { read, write: end } = pipe();
  let looks = 0;
  const wait = lookingBy(read, () => ++looks === 3);
  for (let i = 1; i <= 3; i++) {
    write(end, BYTE);
    await eventually("it looked", () => looks >= i);
  }
  await deadline(wait, PATIENCE);
  assertEquals(looks, 3);
  await idle();
  close(read);
  close(end);
});

for (const order of ["first", "last"] as const) {
  Deno.test(
    `PidFd.wait() goes on if other code closes the fd of another wait that began ${order}`,
    async () => {
      using lost = startUnreaped("exec sleep 60");
      using other = startUnreaped("exec sleep 60");
      const begun = order === "first" ? [lost, other] : [other, lost];
      const clone = lost.pidfd.clone();
      const duplicates = [duplicate(clone.fd)];
      const waits = begun.map((child) => child === lost ? clone.wait() : other.pidfd.wait());
      const [lostWait, otherWait] = order === "first" ? waits : waits.toReversed();
      const rejected = assertRejects(() => lostWait, SyscallError, "EBADF");
      await new Promise((resolve) => setTimeout(resolve));
      libc().close(clone.fd);
      // The duplicate keeps the fd in the epoll set, where its events can't be stopped any more.
      lost.pidfd.kill();
      await deadline(rejected, PATIENCE);
      other.pidfd.kill();
      assertEquals((await deadline(otherWait, PATIENCE)).signal, "SIGKILL");
      await assertRejects(async () => await clone[Symbol.dispose](), SyscallError, "EBADF");
      await idle();
      duplicates.forEach(close);
    },
  );
}

Deno.test("ready() isn't woken by an fd that other code has closed", async () => {
  const returned = await runForValue(
    `
    import * as parked from "${ROOT}tests/support/parked_calls.ts";
    import { close, duplicate, pipe, write } from "${ROOT}ffi/files.ts";
    import { ready } from "${ROOT}ffi/readiness.ts";
    import { EPOLLIN } from "${ROOT}structs/epoll_event.ts";

    const lost = pipe();
    const stays = ready(pipe().read, EPOLLIN);
    const wait = ready(lost.read, EPOLLIN);
    await new Promise((resolve) => setTimeout(resolve));
    duplicate(lost.read);
    close(lost.read);
    write(lost.write, new Uint8Array(1));
    await wait;
    const before = parked.returned;
    for (let i = 0; i < 20; i++) {
      const { read, write: end } = pipe();
      const wait = ready(read, EPOLLIN);
      await new Promise((resolve) => setTimeout(resolve));
      write(end, new Uint8Array(1));
      await wait;
      close(read);
      close(end);
    }
    console.log(parked.returned - before);
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(returned, 20);
});

Deno.test("ready() for the number of a waited fd that other code closed waits for the new file", async () => {
  const old = pipe();
  const lost = assertRejects(() => ready(old.read, EPOLLIN), SyscallError, "something else closed");
  await new Promise((resolve) => setTimeout(resolve));
  libc().close(old.read);
  const fresh = pipe();
  assertEquals(fresh.read, old.read);
  const wait = ready(fresh.read, EPOLLIN);
  await deadline(lost, PATIENCE);
  write(fresh.write, BYTE);
  assertEquals(await deadline(wait, PATIENCE), EPOLLIN);
  await idle();
  [old.write, fresh.read, fresh.write].forEach(close);
});

Deno.test("ready() rejects for its own fd alone if epoll_ctl fails", async () => {
  const [one, other] = [pipe(), pipe()];
  const before = ready(one.read, EPOLLIN);
  {
    // No fd is −1: a failure that is real, so that errno is, too.
    const { epoll_ctl } = libc();
    using _ = shadow(libc(), "epoll_ctl", () => (_epoll, op, _fd, event) => {
      return epoll_ctl(-1, op, -1, event);
    });
    await assertRejects(async () => await ready(other.read, EPOLLIN), SyscallError, "epoll_ctl");
  }
  write(one.write, BYTE);
  assertEquals(await deadline(before, PATIENCE), EPOLLIN);
  await idle();
  for (const { read, write: end } of [one, other]) [read, end].forEach(close);
});

/**
 * Tasks in a line: whose turn it is, and who leaves it.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { Queue } from "../../ipc/queue.ts";
import { PATIENCE } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";

/** A task that runs until it is told to end. */
class Task {
  readonly #end = Promise.withResolvers<string>();
  started = false;

  readonly run = (): Promise<string> => {
    this.started = true;
    return this.#end.promise;
  };

  resolve(value: string): void {
    this.#end.resolve(value);
  }

  reject(reason: Error): void {
    this.#end.reject(reason);
  }
}

Deno.test("Queue.run() runs tasks one after another, in the order of the calls", async () => {
  const queue = new Queue();
  const tasks = [new Task(), new Task(), new Task()];
  const results = tasks.map((task) => queue.run(task.run));
  // The last could be done first.
  tasks[2].resolve("third");
  for (const [i, name] of ["first", "second", "third"].entries()) {
    await nextTurn();
    assertEquals(tasks.map(({ started }) => started), [0, 1, 2].map((k) => k <= i));
    tasks[i].resolve(name);
    assertEquals(await deadline(results[i], PATIENCE), name);
  }
});

Deno.test("Queue.run() goes on behind a task that fails", async () => {
  const queue = new Queue();
  const reason = new Error("failed");
  const failing = [
    queue.run(() => Promise.reject(reason)),
    queue.run(() => {
      throw reason;
    }),
  ];
  const next = queue.run(() => Promise.resolve("next"));
  const results = await deadline(Promise.allSettled(failing), PATIENCE);
  assertEquals(results, Array(2).fill({ status: "rejected", reason }));
  assertEquals(await deadline(next, PATIENCE), "next");
});

Deno.test("Queue.run() rejects at the abort of a task in the line, which never runs", async () => {
  const queue = new Queue();
  const [first, aborted, last] = [new Task(), new Task(), new Task()];
  const controller = new AbortController();
  const results = [queue.run(first.run), queue.run(last.run)];
  const leaves = queue.run(aborted.run, controller.signal);
  const behind = queue.run(() => Promise.resolve("behind"), new AbortController().signal);
  await nextTurn();
  const reason = new Error("no need");
  controller.abort(reason);
  assertEquals(await deadline(assertRejects(() => leaves), PATIENCE), reason);
  assert(await isPending(results[0]));
  assert(await isPending(behind));
  first.resolve("first");
  last.resolve("last");
  assertEquals(await deadline(Promise.all(results), PATIENCE), ["first", "last"]);
  assertEquals(await deadline(behind, PATIENCE), "behind");
  assertEquals(aborted.started, false);
});

Deno.test("Queue.run() doesn't run a task whose signal was aborted before", async () => {
  const queue = new Queue();
  const reason = new Error("no need");
  const task = new Task();
  const leaves = queue.run(task.run, AbortSignal.abort(reason));
  assertEquals(await deadline(assertRejects(() => leaves), PATIENCE), reason);
  assertEquals(await deadline(queue.run(() => Promise.resolve("next")), PATIENCE), "next");
  assertEquals(task.started, false);
});

Deno.test("Queue.run() lets no task begin before one that was aborted in its middle is over", async () => {
  const queue = new Queue();
  const task = new Task();
  const controller = new AbortController();
  const aborted = queue.run(task.run, controller.signal);
  const next = new Task();
  const behind = queue.run(next.run);
  next.resolve("behind");
  await nextTurn();
  controller.abort();
  // As the task has to: it is the one that the signal was given to.
  const rejected = assertRejects(() => aborted, DOMException);
  await nextTurn();
  assertEquals(next.started, false);
  task.reject(controller.signal.reason);
  await deadline(rejected, PATIENCE);
  assertEquals(await deadline(behind, PATIENCE), "behind");
});

Deno.test("Queue.run() gives what a task has brought, whatever its signal says by then", async () => {
  const queue = new Queue();
  const task = new Task();
  const controller = new AbortController();
  const result = queue.run(task.run, controller.signal);
  await nextTurn();
  task.resolve("a message");
  // What was received can't be put back.
  controller.abort();
  assertEquals(await deadline(result, PATIENCE), "a message");
});

Deno.test("Queue.run() keeps no hold of a signal when the task is over", async () => {
  const queue = new Queue();
  const { signal } = new AbortController();
  const held = new Set<unknown>();
  signal.addEventListener = (_: string, listener: unknown) => void held.add(listener);
  signal.removeEventListener = (_: string, listener: unknown) => void held.delete(listener);
  assertEquals(await deadline(queue.run(() => Promise.resolve("done"), signal), PATIENCE), "done");
  await assertRejects(() => queue.run(() => Promise.reject(new Error("failed")), signal), Error);
  await nextTurn();
  assertEquals(held.size, 0);
});

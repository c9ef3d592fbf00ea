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

/** Has a task done when its turn has come, as a socket does. */
async function run<T>(queue: Queue, task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
  await queue.enter(signal);
  try {
    return await task();
  } finally {
    queue.leave();
  }
}

Deno.test("Queue gives turns one after another, in the order of the calls", async () => {
  const queue = new Queue();
  const tasks = [new Task(), new Task(), new Task()];
  const results = tasks.map((task) => run(queue, task.run));
  // The last could be done first.
  tasks[2].resolve("third");
  for (const [i, name] of ["first", "second", "third"].entries()) {
    await nextTurn();
    assertEquals(tasks.map(({ started }) => started), [0, 1, 2].map((k) => k <= i));
    tasks[i].resolve(name);
    assertEquals(await deadline(results[i], PATIENCE), name);
  }
});

Deno.test("Queue goes on behind a task that fails", async () => {
  const queue = new Queue();
  const reason = new Error("failed");
  const failing = [
    run(queue, () => Promise.reject(reason)),
    run(queue, () => {
      throw reason;
    }),
  ];
  const next = run(queue, () => Promise.resolve("next"));
  const results = await deadline(Promise.allSettled(failing), PATIENCE);
  assertEquals(results, Array(2).fill({ status: "rejected", reason }));
  assertEquals(await deadline(next, PATIENCE), "next");
});

Deno.test("Queue.enter() rejects at the abort of a task in the line, which never runs", async () => {
  const queue = new Queue();
  const [first, aborted, last] = [new Task(), new Task(), new Task()];
  const controller = new AbortController();
  const results = [run(queue, first.run), run(queue, last.run)];
  const leaves = run(queue, aborted.run, controller.signal);
  const behind = run(queue, () => Promise.resolve("behind"), new AbortController().signal);
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

Deno.test("Queue.enter() gives no turn to a task whose signal was aborted before", async () => {
  const queue = new Queue();
  const reason = new Error("no need");
  const task = new Task();
  const leaves = run(queue, task.run, AbortSignal.abort(reason));
  assertEquals(await deadline(assertRejects(() => leaves), PATIENCE), reason);
  assertEquals(await deadline(run(queue, () => Promise.resolve("next")), PATIENCE), "next");
  assertEquals(task.started, false);
});

Deno.test("Queue lets no task begin before one that was aborted in its middle is over", async () => {
  const queue = new Queue();
  const task = new Task();
  const controller = new AbortController();
  const aborted = run(queue, task.run, controller.signal);
  const next = new Task();
  const behind = run(queue, next.run);
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

Deno.test("Queue takes nothing away of what a task has brought, whatever its signal says by then", async () => {
  const queue = new Queue();
  const task = new Task();
  const controller = new AbortController();
  const result = run(queue, task.run, controller.signal);
  await nextTurn();
  task.resolve("a message");
  // What was received can't be put back.
  controller.abort();
  assertEquals(await deadline(result, PATIENCE), "a message");
});

Deno.test("Queue keeps no hold of a signal when the task is over", async () => {
  const queue = new Queue();
  const { signal } = new AbortController();
  const held = new Set<unknown>();
  signal.addEventListener = (_: string, listener: unknown) => void held.add(listener);
  signal.removeEventListener = (_: string, listener: unknown) => void held.delete(listener);
  assertEquals(await deadline(run(queue, () => Promise.resolve("done"), signal), PATIENCE), "done");
  await assertRejects(() => run(queue, () => Promise.reject(new Error("failed")), signal), Error);
  await nextTurn();
  assertEquals(held.size, 0);
});

Deno.test("Queue.tryEnter() takes a turn only if nobody has it or waits for it", async () => {
  const queue = new Queue();
  assertEquals([queue.tryEnter(), queue.tryEnter()], [true, false]);
  const second = queue.enter();
  const third = queue.enter();
  queue.leave();
  await deadline(second, PATIENCE);
  assertEquals(queue.tryEnter(), false);
  assert(await isPending(third));
  queue.leave();
  // The third has it, though it doesn't know yet.
  assertEquals(queue.tryEnter(), false);
  await deadline(third, PATIENCE);
  queue.leave();
  assertEquals(queue.tryEnter(), true);
});

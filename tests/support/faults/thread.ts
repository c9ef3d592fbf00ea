/**
 * The thread that the faults happen on. It calls nothing while it waits for the next step but
 * what Deno's event loop does, so that a fault can only hit the operation.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import "./no_finalizers.ts";
import { features } from "../../../mod.ts";
import { eventually, openFds } from "../processes.ts";
import { turn } from "../turn.ts";
import { inventory } from "./inventory.ts";
import type { Operation, Operations } from "./operation.ts";
import { allowTracing, threadId } from "./tracee.ts";
import { type Answer, type Outcome, outcomeOf, type Request } from "./protocol.ts";

/** How long to wait for what is closed a moment later, in milliseconds. */
const SOON = 1000;

let operations: Operations;
let operation: Operation;
let fixture: unknown;
let stack = new AsyncDisposableStack();
let before: ReadonlySet<string> = new Set();
let result: Outcome;

const keep = <T extends Disposable | AsyncDisposable>(resource: T): T => stack.use(resource);

/** What is there and was not there before. */
function left(): string[] {
  return inventory().filter((item) => !before.has(item));
}

async function take(request: Request): Promise<Answer> {
  const { step } = request;
  if (step === "start") {
    ({ operations } = await import(request.module));
    allowTracing();
    // What Deno needs to have children of its own, it keeps.
    await new Deno.Command("true").output();
    features();
    return { step, thread: threadId() };
  }
  if (step === "prepare") {
    // What the one before has waited with is closed, or it would be taken for Deno's.
    await turn();
    // Its standard streams Deno uses on another thread.
    const fds = openFds().filter((fd) => Number(fd) > 2);
    before = new Set(inventory());
    operation = operations[request.name];
    fixture = await operation.prepare(keep);
    return { step, fds };
  }
  if (step === "run") {
    result = await outcomeOf(() => operation.run(fixture, keep));
    // What it takes to wait is closed a moment later, and that can fail, too.
    await turn();
    return { step };
  }
  if (step === "tell") {
    const { value } = result;
    if (typeof value === "function") result = await outcomeOf(() => value());
    return { step, outcome: result };
  }
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
  const end = performance.now() + SOON;
  await eventually("all is closed", () => {
    return left().length <= request.allowedFds || performance.now() > end;
  });
  const rest = left();
  return { step, left: rest.length > request.allowedFds ? rest : [] };
}

self.onmessage = async ({ data }: MessageEvent<Request>) => self.postMessage(await take(data));

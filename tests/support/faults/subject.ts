/**
 * The program with the faults, as a test sees it.
 *
 * @module
 */

import { deadline } from "@std/async";
import { startTalking, type TalkingChild } from "../children.ts";
import { PATIENCE, ROOT } from "../processes.ts";
import { type Answer, isSame, type Outcome, type Request } from "./protocol.ts";
import { attach, type Fault, type TracedCall } from "./tracer.ts";

/** What is seen of one operation. */
export interface Observation {
  readonly outcome: Outcome;
  /** What came of a second try without faults, if the first one wasn't as it should be. */
  readonly again?: Outcome;
  /** What was left behind. */
  readonly left: readonly string[];
  /** The calls that the thread made meanwhile. */
  readonly calls: readonly ObservedCall[];
}

/** A call that the thread made, or its child. */
export interface ObservedCall extends TracedCall {
  /** Whether it's Deno's own: on an fd that Deno has for itself. */
  readonly isDenos: boolean;
}

/** A fault hit a call of Deno's own, which nothing can be said of. */
export class Miss extends Error {}

/** A program that does the operations of one module. */
export class Subject implements AsyncDisposable {
  readonly #module: string;
  #program = startProgram();
  #thread = 0;
  #renewals = 0;

  private constructor(module: string) {
    this.#module = module;
  }

  static async start(module: string): Promise<Subject> {
    const subject = new Subject(module);
    await subject.#renewThread();
    return subject;
  }

  /** How often the program was replaced: the new one doesn't know what faults had taught the old one. */
  get renewals(): number {
    return this.#renewals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  /**
   * Does an operation without faults.
   *
   * @param inChild Whether the calls that count are those of its child, until that executes its
   * program.
   */
  async observe(name: string, inChild: boolean): Promise<Observation> {
    const observation = await this.#orRenew(() => this.#observe(name, inChild));
    if (!inChild) return observation;
    const calls = observation.calls.filter(({ thread }, _, [first]) => thread === first.thread);
    const executes = calls.findIndex(({ name }) => name === "execve");
    if (executes === -1) throw new Error(`${name} executed nothing`);
    return { ...observation, calls: calls.slice(0, executes + 1) };
  }

  /** Does an operation with a fault, and once more without, if it didn't come to the same. */
  observeWith(
    fault: Fault,
    name: string,
    inChild: boolean,
    expected: Outcome,
  ): Promise<Observation> {
    return this.#orRenew(() => this.#observe(name, inChild, fault, expected));
  }

  async #observe(
    name: string,
    inChild: boolean,
    fault?: Fault,
    expected?: Outcome,
  ): Promise<Observation> {
    const { fds } = await this.#ask({ step: "prepare", name });
    const tracer = await attach([this.#thread], fault, inChild);
    const ran = await Promise.allSettled([this.#ask({ step: "run" })]);
    const calls = (await tracer.detach()).map((call) => {
      // A child's fds are its own, whatever their numbers.
      return { ...call, isDenos: !inChild && call.fd !== null && fds.includes(call.fd) };
    });
    if (calls.some(({ injected, isDenos }) => injected && isDenos)) throw new Miss();
    if (ran[0].status === "rejected") throw ran[0].reason;
    const { outcome } = await this.#ask({ step: "tell" });
    const again = expected && !isSame(outcome, expected) ? await this.#again() : undefined;
    // What the kernel was kept from closing stays open.
    const allowedFds = calls.filter(({ name, injected }) => injected && name === "close").length;
    const { left } = await this.#ask({ step: "close", allowedFds });
    return { outcome, again, left, calls };
  }

  async #again(): Promise<Outcome> {
    await this.#ask({ step: "run" });
    return (await this.#ask({ step: "tell" })).outcome;
  }

  /** After an operation that didn't end well the next one gets a program of its own. */
  async #orRenew<T>(observe: () => Promise<T>): Promise<T> {
    try {
      return await observe();
    } catch (error) {
      const isStuck = error instanceof DOMException && error.name === "TimeoutError";
      if (isStuck) this.#program.child.kill("SIGKILL");
      await this.#program[Symbol.asyncDispose]();
      this.#program = startProgram();
      this.#renewals++;
      await this.#renewThread();
      throw error;
    }
  }

  async #renewThread(): Promise<void> {
    const module = this.#module;
    const { thread } = await this.#ask({ step: "start", module });
    this.#thread = thread;
  }

  async #ask<R extends Request>(request: R): Promise<Extract<Answer, { step: R["step"] }>> {
    await this.#program.say(JSON.stringify(request));
    const answer: Answer = JSON.parse(await deadline(this.#program.line(), PATIENCE));
    if (answer.step === "crash") throw new Error(`the thread died: ${answer.message}`);
    return answer as Extract<Answer, { step: R["step"] }>;
  }
}

function startProgram(): TalkingChild {
  return startTalking("env", [
    // Deno asks for it some time after the start.
    "DENO_NO_UPDATE_CHECK=1",
    ...[Deno.execPath(), "run", "--allow-all", "--no-check"],
    ...["--import-map", `${ROOT}tests/std/import_map.json`],
    `${ROOT}tests/support/faults/program.ts`,
  ]);
}

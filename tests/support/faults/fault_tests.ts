/**
 * Tests of operations whose kernel calls fail, one after the other, with everything that they can
 * fail with.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { needing } from "../skip.ts";
import { Plan, THOROUGH } from "./cases.ts";
import type { Need, Operations } from "./operation.ts";
import { Miss, type Observation, Subject } from "./subject.ts";
import { canTrace } from "./tracer.ts";
import { complaint } from "./verdict.ts";

const NOTHING: Need = { what: "nothing", isThere: true };

/**
 * Registers the test of a module of operations, each of which is a step.
 *
 * @param name The module's name in the folder of operations.
 * @param inChild Whether what fails are the calls of the process that an operation starts, until
 * that executes its program.
 */
export function testFaults(name: string, operations: Operations, inChild = false): void {
  const module = new URL(`operations/${name}.ts`, import.meta.url).href;
  const title = `Every kernel call that can fail, fails (${name})`;
  Deno.test(needing("strace", canTrace || THOROUGH, title), async (test) => {
    await using subject = await Subject.start(module);
    const plan = new Plan();
    for (const [operation, { exempt, needs = NOTHING }] of Object.entries(operations)) {
      await test.step({
        ...needing(needs.what, needs.isThere, operation),
        fn: async () => {
          const normal = inChild
            ? await subject.observeChild(operation)
            : await subject.observe(operation);
          assertEquals(await tryFaults(subject, plan, operation, exempt, normal), []);
        },
      });
    }
  });
}

/** How often a fault is tried whose call doesn't happen: a process can end before it is waited for. */
const TRIES = 10;

/** Tries an operation with all faults; returns what was wrong. */
async function tryFaults(
  subject: Subject,
  plan: Plan,
  operation: string,
  exempt: readonly string[],
  normal: Observation,
): Promise<string[]> {
  assertEquals(normal.left, []);
  const complaints: (string | null)[] = [];
  const failed = new Map<string, boolean>();
  for (const fault of plan.faultsFor(operation, exempt, normal)) {
    let hasFailed = false;
    for (let tries = 0; tries < TRIES && !hasFailed; tries++) {
      const observation = await orMiss(subject.observeWith(fault, operation, normal.outcome));
      hasFailed = observation?.calls.some(({ injected }) => injected) ?? false;
      if (observation) complaints.push(complaint(operation, fault, normal.outcome, observation));
    }
    if (!hasFailed) console.log("not tried, as the call didn't happen:", fault);
    failed.set(fault.call, hasFailed || failed.get(fault.call) === true);
  }
  // Not every call happens each time, but each has to be seen to fail.
  for (const [call, hasFailed] of failed) {
    if (!hasFailed) complaints.push(`${operation}: ${call} never failed`);
  }
  return complaints.filter((complaint) => complaint !== null);
}

async function orMiss<T>(observation: Promise<T>): Promise<T | null> {
  try {
    return await observation;
  } catch (error) {
    if (error instanceof Miss) return null;
    throw error;
  }
}

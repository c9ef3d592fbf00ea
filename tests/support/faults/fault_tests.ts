/**
 * Tests of operations whose kernel calls fail, one after the other, with everything that they can
 * fail with.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { needing } from "../skip.ts";
import { nextTry, Plan, THOROUGH } from "./cases.ts";
import type { Operation, Operations } from "./operation.ts";
import { Miss, Subject } from "./subject.ts";
import { canTrace } from "./tracer.ts";
import { complaint } from "./verdict.ts";

/**
 * Registers the test of a module of operations, each of which is a step.
 *
 * @param name The module's name in the folder of operations.
 */
export function testFaults(name: string, operations: Operations): void {
  const module = new URL(`operations/${name}.ts`, import.meta.url).href;
  const title = `Every kernel call that can fail, fails (${name})`;
  Deno.test(needing("strace", canTrace || THOROUGH, title), async (test) => {
    await using subject = await Subject.start(module);
    const plan = new Plan();
    for (const [name, operation] of Object.entries(operations)) {
      const { needs } = operation;
      await test.step({
        ...(needs ? needing(needs.what, needs.isThere, name) : { name }),
        fn: async () => assertEquals(await tryFaults(subject, plan, name, operation), []),
      });
    }
  });
}

/** How often a fault is tried whose call doesn't happen: a process can end before it is waited for. */
const TRIES = 10;

/**
 * Tries an operation with all faults; returns what was wrong.
 *
 * A program that was replaced can make other calls than the one that the plan was made for: it
 * calls clone3(2) again, where the old one knew from a fault to call clone(2). Then the plan is
 * made anew.
 */
async function tryFaults(
  subject: Subject,
  plan: Plan,
  name: string,
  operation: Operation,
): Promise<string[]> {
  const { exempt, childCalls } = operation;
  const inChild = childCalls !== undefined;
  const { renewals } = subject;
  const normal = await subject.observe(name, inChild);
  assertEquals(normal.left, []);
  const complaints: (string | null)[] = [];
  // Not every call happens each time, but each has to be seen to fail.
  const failed = new Map(childCalls?.map((call) => [call, false]));
  for (const planned of plan.faultsFor(name, exempt, normal)) {
    let hasFailed = false;
    for (let tries = 0; tries < TRIES && !hasFailed; tries++) {
      const fault = nextTry(planned, tries);
      const trial = subject.observeWith(fault, name, inChild, normal.outcome);
      const observation = await orMiss(trial);
      hasFailed = observation?.calls.some(({ injected }) => injected) ?? false;
      if (observation) complaints.push(complaint(name, fault, normal.outcome, observation));
    }
    if (!hasFailed && subject.renewals > renewals) {
      const { calls } = await subject.observe(name, inChild);
      if (!calls.some((call) => call.name === planned.call)) {
        const rest = await tryFaults(subject, plan, name, operation);
        return [...complaints.filter((complaint) => complaint !== null), ...rest];
      }
    }
    if (!hasFailed) console.log("not tried, as the call didn't happen:", planned);
    failed.set(planned.call, hasFailed || failed.get(planned.call) === true);
  }
  for (const [call, hasFailed] of failed) {
    if (!hasFailed) complaints.push(`${name}: ${call} never failed`);
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

/**
 * Children that the kernel kills when their last handle is closed: for the tests that need them.
 *
 * @module
 */

import { features } from "../../mod.ts";
import { needing } from "./skip.ts";

/** Whether there are such children here. */
export const hasMortals: boolean = features().killOnClose;

/** Registers a test that needs them. */
export function testMortal(name: string, fn: () => Promise<void>): void {
  Deno.test({ ...needing("Linux 7.1", hasMortals, `spawn() with killOnClose ${name}`), fn });
}

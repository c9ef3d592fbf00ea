/**
 * A user's ID in memory.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { u32 } from "./scalars.ts";

/** `uid_t`. getresuid(2) */
export const userId = struct("uid_t", { value: u32 });

/**
 * The two ends of a pipe, as pipe2(2) stores them.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { i32 } from "./scalars.ts";

/** `int pipefd[2]` */
export const pipeEnds = struct("int[2]", { read: i32, write: i32 });

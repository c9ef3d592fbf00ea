/**
 * `struct pollfd` (poll(2)).
 *
 * @module
 */

import { struct } from "./codec.ts";
import { i16, i32 } from "./scalars.ts";

export const pollfd = struct("pollfd", { fd: i32, events: i16, revents: i16 });

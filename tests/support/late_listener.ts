/**
 * Loaded before a program: it is held up before it listens for the ends of children, until one has
 * ended. A machine that is busy does that.
 *
 * @module
 */

import { PATIENCE } from "./patience.ts";
import { zombies } from "./proc.ts";

const add = Deno.addSignalListener;
Deno.addSignalListener = (signal, listener) => {
  const end = performance.now() + PATIENCE;
  while (signal === "SIGCHLD" && zombies().length === 0) {
    if (performance.now() > end) throw new Error("waited in vain for the end of a child");
  }
  add(signal, listener);
};

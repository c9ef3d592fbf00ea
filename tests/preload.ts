/**
 * Loaded before every test file: opens what stays open for as long as the program runs, so that
 * no test is taken for one that leaks it. That is libc, by the library, and a pair of sockets for
 * signals, which Deno otherwise opens half a second after its start.
 *
 * @module
 */

import { features } from "../mod.ts";

features();

const ignore = () => {};
Deno.addSignalListener("SIGUSR2", ignore);
Deno.removeSignalListener("SIGUSR2", ignore);

/**
 * Loaded before every test file: opens what stays open for as long as the program runs, so that
 * no test is taken for one that leaks it. That is libc, by the library, and what Deno has for
 * itself.
 *
 * @module
 */

import { features } from "../mod.ts";
import "./support/deno_fds.ts";

features();

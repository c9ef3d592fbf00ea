/**
 * Loaded before every test file: opens libc, so that the first test that needs it isn't
 * taken for one that leaks it. The library keeps it open for as long as the program runs.
 *
 * @module
 */

import { features } from "../mod.ts";

features();

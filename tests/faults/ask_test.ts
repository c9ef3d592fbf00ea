/**
 * ask, when the kernel fails them.
 *
 * @module
 */

import { testFaults } from "../support/faults/fault_tests.ts";
import { operations } from "../support/faults/operations/ask.ts";

testFaults("ask", operations);

/**
 * The ways to a handle, when the kernel fails them.
 *
 * @module
 */

import { testFaults } from "../support/faults/fault_tests.ts";
import { operations } from "../support/faults/operations/open.ts";

testFaults("open", operations);

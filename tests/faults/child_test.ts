/**
 * What a child does until it executes its program and its parent never does, when the kernel fails
 * that.
 *
 * @module
 */

import { testFaults } from "../support/faults/fault_tests.ts";
import { operations } from "../support/faults/operations/child.ts";

testFaults("child", operations);

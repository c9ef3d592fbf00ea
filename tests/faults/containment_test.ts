/**
 * Cgroups and contained children, when the kernel fails them.
 *
 * @module
 */

import { testFaults } from "../support/faults/fault_tests.ts";
import { operations } from "../support/faults/operations/containment.ts";

testFaults("containment", operations);

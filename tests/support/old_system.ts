/**
 * Loaded before a program: has the library take the kernel for one before Linux 5.7.
 *
 * @module
 */

import * as capabilities from "../../ffi/capabilities.ts";
import { without } from "./shadow.ts";

without(capabilities.idHandles);
without(capabilities.infoIoctl);
without(capabilities.namespaceIoctls);
without(capabilities.pidfsIds);
without(capabilities.cgroupSpawn);
without(capabilities.killOnCloseSpawn);

/**
 * Loaded before a program: has the library take the kernel for one before Linux 6.9.
 *
 * @module
 */

import { idHandles, infoIoctl, namespaceIoctls, pidfsIds } from "../../ffi/capabilities.ts";
import { without } from "./shadow.ts";

for (const feature of [idHandles, infoIoctl, namespaceIoctls, pidfsIds]) without(feature);

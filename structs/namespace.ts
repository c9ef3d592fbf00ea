/**
 * The result of NS_GET_ID (`<linux/nsfs.h>`).
 *
 * @module
 */

import { struct } from "./codec.ts";
import { u64 } from "./scalars.ts";

/** `__u64 ns_id` */
export const namespaceId = struct("ns_id", { ns_id: u64 });

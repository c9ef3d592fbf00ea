/**
 * What the kernel can do, as a program finds it that has asked for nothing yet.
 *
 * @module
 */

type Capabilities = typeof import("../../ffi/capabilities.ts");

let modules = 0;

/** The capabilities of a module of their own, which remembers nothing. */
export async function freshCapabilities(): Promise<Capabilities> {
  return await import(`../../ffi/capabilities.ts?${++modules}`);
}

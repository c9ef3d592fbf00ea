/**
 * Makes this thread's errno what a test needs it to be.
 *
 * @module
 */

const { symbols } = Deno.dlopen("libc.so.6", {
  __errno_location: { parameters: [], result: "pointer" },
});

/** Sets errno, as a call that fails would. */
export function setErrno(errno: number): void {
  const location = symbols.__errno_location();
  if (location === null) throw new Error("libc has no errno");
  const bytes = Deno.UnsafePointerView.getArrayBuffer(location, Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(bytes)[0] = errno;
}

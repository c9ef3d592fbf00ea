/**
 * The text of a stream that can be without a pipe. Programs that know no `@std` use it, too.
 *
 * @module
 */

/** What was collected as a text; nothing where the stream isn't piped. */
export function textOf(collected: () => Uint8Array): string {
  try {
    return new TextDecoder().decode(collected());
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("is not piped")) return "";
    throw error;
  }
}

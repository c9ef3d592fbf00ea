/**
 * Property tests: what must hold for every input is tried with many that are made at random. A
 * failure says the seed that repeats it, and the smallest input that was found to fail.
 *
 * fast-check is imported here and not in deno.json, which says what users of the library need.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@^4.3.0";

/** How many inputs each property is tried with; `FUZZ_RUNS` has a long search try more. */
export const RUNS: number = Number(Deno.env.get("FUZZ_RUNS") ?? 200);

fc.configureGlobal({ numRuns: RUNS });

export { fc };

/** Registers a test of a property: `check` throws where it doesn't hold for an input. */
export function testProperty<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void,
  options: fc.Parameters<[T]> = {},
): void {
  Deno.test(name, () => fc.assert(fc.property(inputs, check), options));
}

/** What a parser returns, or undefined if it refuses the text with the error that is its to throw. */
export function unlessRefused<T>(
  parse: () => T,
  refusal: typeof SyntaxError | typeof RangeError = SyntaxError,
): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof refusal) return undefined;
    throw error;
  }
}

/**
 * Waiting for what must come. Nothing is imported here, as in proc.ts.
 *
 * @module
 */

/**
 * How long a test waits for what must come, in milliseconds; it is a failure, never a
 * measurement. On slow machines the environment variable `PATIENCE` gives it more seconds.
 */
export const PATIENCE: number = Number(Deno.env.get("PATIENCE") ?? 60) * 1000;

/** How long it may be between two looks, in milliseconds. */
const LAZY = 100;

/** Resolves once the condition holds; rejects after a generous while. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    const waited = performance.now() - start;
    if (waited > PATIENCE) throw new Error(`waited in vain: ${what}`);
    // On a slow machine what is waited for needs the time that each look takes.
    await new Promise((resolve) => setTimeout(resolve, Math.max(2, Math.min(waited / 8, LAZY))));
  }
}

/**
 * The real timers, for waits that go on by the real clock while a test has replaced the global ones
 * by a fake.
 *
 * They are taken at the first wait and not at the import: Deno loads a dozen modules for
 * `setTimeout` when it is first touched, which takes 3 ms, and many programs never wait. So a fake that is
 * there before the first wait is taken for real.
 *
 * @module
 */

/** What waits need of the global timers. */
type Timers = Pick<typeof globalThis, "clearTimeout" | "setTimeout">;

let taken: Timers | undefined;

/** The timers, as they were when this was first called. */
export function timers(): Timers {
  return taken ??= {
    clearTimeout: globalThis.clearTimeout,
    setTimeout: globalThis.setTimeout,
  };
}

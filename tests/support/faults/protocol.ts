/**
 * What a test and the program with the faults say to each other, a line of JSON each.
 *
 * @module
 */

/** What the program is told to do; each step is answered by one of the same name. */
export type Request =
  /** Start a thread that knows the operations of a module. */
  | { readonly step: "start"; readonly module: string }
  /** Make what an operation needs. */
  | { readonly step: "prepare"; readonly name: string }
  /** Do it. */
  | { readonly step: "run" }
  /** Say what came of it. */
  | { readonly step: "tell" }
  /** Close all that it brought and all that it needed, and say what is left. */
  | { readonly step: "close"; readonly allowedFds: number };

/** What it answers. */
export type Answer =
  | { readonly step: "start"; readonly thread: number }
  /** The fds are what Deno has open for itself, on this thread. */
  | { readonly step: "prepare"; readonly fds: readonly string[] }
  | { readonly step: "run" }
  | { readonly step: "tell"; readonly outcome: Outcome }
  /** The fds and children that are there and were not there before. */
  | { readonly step: "close"; readonly left: readonly string[] }
  /** The thread ended by an error that nobody caught. */
  | { readonly step: "crash"; readonly message: string };

/** What came of an operation. */
export interface Outcome {
  readonly value?: unknown;
  readonly error?: ErrorFacts;
}

/** Whether two operations came to the same. */
export function isSame(one: Outcome, other: Outcome): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What is known of an error. */
export interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  readonly errno?: number;
  readonly syscall?: string;
}

/** Does something, and says what came of it. */
export async function outcomeOf(act: () => unknown): Promise<Outcome> {
  try {
    const value = await act();
    // What a process has used is different each time.
    const isStatus = typeof value === "object" && value !== null && "usage" in value;
    return { value: isStatus ? { ...value, usage: null } : value };
  } catch (error) {
    const { name, message, errno, syscall } = error as ErrorFacts;
    return { error: { name, message, errno, syscall } };
  }
}

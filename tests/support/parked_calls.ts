/**
 * Stands between the library and its parked call, in a program that imports this first.
 *
 * @module
 */

/** How many parked calls have returned. */
export let returned = 0;

let gate: Promise<void> = Promise.resolve();

/** Keeps from the library what parked calls return, until the function that it gets is called. */
export function hold(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  return resolve;
}

// deno-lint-ignore no-explicit-any
type Call = (...args: any[]) => Promise<number>;

const open = Deno.dlopen;

Deno.dlopen = (path, table) => {
  const library = open(path, table);
  if (!("epoll_wait_parked" in table)) return library;
  const symbols = { ...library.symbols } as Record<string, unknown>;
  const park = symbols.epoll_wait_parked as Call;
  const parked: Call = async (...args) => {
    const count = await park(...args);
    returned++;
    await gate;
    return count;
  };
  return { symbols: { ...symbols, epoll_wait_parked: parked }, close() {} } as typeof library;
};

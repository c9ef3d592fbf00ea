/**
 * Loaded before the library: nothing is closed because it's garbage, which would hide what was
 * forgotten, and only where the collector is quick.
 *
 * @module
 */

globalThis.FinalizationRegistry = class<T> implements FinalizationRegistry<T> {
  readonly [Symbol.toStringTag] = "FinalizationRegistry";
  register() {}
  unregister = () => false;
};

/**
 * Makes this machine look like another one: a feature that isn't there, an answer that is
 * different. What was before is there again at the end of the block.
 *
 * @module
 */

/** Has a property read otherwise until the end of the block. */
export function shadow<T extends object, K extends keyof T>(
  object: T,
  key: K,
  get: () => T[K],
): Disposable {
  const before = Object.getOwnPropertyDescriptor(object, key);
  Object.defineProperty(object, key, { configurable: true, get });
  return {
    [Symbol.dispose]() {
      if (before) Object.defineProperty(object, key, before);
      else delete object[key];
    },
  };
}

/** Hides a feature of the kernel until the end of the block. */
export function without(feature: { readonly available: boolean | undefined }): Disposable {
  return shadow(feature, "available", () => false);
}

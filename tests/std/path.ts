/**
 * Stands in for `@std/path` where JSR can't be reached: the functions that the tests use, as
 * documented there, on `node:path` and `node:url`.
 *
 * @module
 */

export { basename, dirname, join, relative, resolve } from "node:path";
export { fileURLToPath as fromFileUrl, pathToFileURL as toFileUrl } from "node:url";

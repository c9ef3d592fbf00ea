/**
 * Paths for the kernel, from texts and from file URLs as Deno reads them.
 *
 * @module
 */

import { checkCText } from "./arguments.ts";

/** The path that a text or a file URL is; refuses what can't be one. */
export function pathText(name: string, path: string | URL): string {
  const text = path instanceof URL ? pathOfUrl(name, path) : path;
  checkCText(name, text);
  if (text === "") throw new TypeError(`${name} must not be empty`);
  return text;
}

function pathOfUrl(name: string, url: URL): string {
  if (url.protocol !== "file:") throw new TypeError(`${name} must be a file URL: ${url}`);
  if (url.hostname !== "") throw new TypeError(`${name} must be a file URL without a host: ${url}`);
  try {
    // A "%" that begins no escape stands for itself.
    return decodeURIComponent(url.pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
  } catch (cause) {
    throw new TypeError(`${name} must be a file URL in UTF-8: ${url}`, { cause });
  }
}

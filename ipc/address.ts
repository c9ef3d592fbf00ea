/**
 * Where a UNIX socket is found: a path, or a name in the abstract namespace, which belongs to
 * the network namespace and leaves no file behind (unix(7)).
 *
 * @module
 */

import { LONGEST_PATH, type SocketAddress, socketAddress } from "../ffi/sockets.ts";
import { checkString } from "../pidfd/arguments.ts";

/** What an abstract name begins with in the kernel's eyes. */
const NUL = "\0";
/** What it is written with by people, and by tools such as ss(8). */
const AT = "@";

/** Reads a path, or an abstract name that begins with "@" or a NUL. */
export function parseAddress(path: string): SocketAddress {
  checkString("path", path);
  const abstract = isAbstract(path);
  const kernelPath = abstract ? NUL + path.slice(1) : path;
  if (!abstract && path.includes(NUL)) {
    throw new TypeError(`path must not have a NUL byte in it: ${JSON.stringify(path)}`);
  }
  const bytes = new TextEncoder().encode(kernelPath);
  const length = abstract ? bytes.length - 1 : bytes.length;
  if (length === 0 || length > LONGEST_PATH) {
    throw new RangeError(`path must have 1…${LONGEST_PATH} bytes: ${JSON.stringify(path)}`);
  }
  return socketAddress(bytes, path.replace(NUL, AT));
}

/** Whether the address is a name, and not a file's path. */
export function isAbstract(path: string): boolean {
  return path.startsWith(AT) || path.startsWith(NUL);
}

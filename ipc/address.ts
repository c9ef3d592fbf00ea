/**
 * The address of a UNIX socket: a path, or a name in the abstract namespace (unix(7)). An abstract
 * name belongs to the network namespace, and has no file.
 *
 * @module
 */

import { LONGEST_PATH, type SocketAddress, socketAddress } from "../ffi/sockets.ts";
import { checkString } from "../pidfd/arguments.ts";

/** The first character of an abstract name, for the kernel. */
const NUL = "\0";
/** People, and tools such as ss(8), write it as "@". */
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

/** Whether the address is an abstract name, not a file's path. */
export function isAbstract(path: string): boolean {
  return path.startsWith(AT) || path.startsWith(NUL);
}

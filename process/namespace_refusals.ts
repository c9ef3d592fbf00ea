/**
 * Why a system refuses namespaces, and which of its settings does. Distributions forbid ordinary
 * users to have user namespaces in three ways: Debian by a sysctl of its own, RHEL by a limit of 0,
 * Ubuntu by AppArmor. The kernel's error is the same as for much else, so the settings are read.
 *
 * @module
 */

import type { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import { type NamespaceKind, namespaceLink } from "../pidfd/namespaces.ts";

/** The calls that make namespaces. */
const MAKING: ReadonlySet<string> = new Set([
  "clone",
  "clone3",
  "unshare",
  "openat",
  "write",
  "mount",
]);

/** What an error of a child's way into its namespaces means; undefined for any other. */
export function refusalOf(
  { code, syscall, message }: SyscallError,
  unshare: readonly NamespaceKind[],
  nsenter: readonly NamespaceKind[],
): string | undefined {
  if (syscall === "setns") return enteringRefused(code, nsenter, message);
  // Other calls have the same names, and are about something else.
  if (!MAKING.has(syscall) || !message.includes("unshare")) return undefined;
  if (code === "ENOSPC" || code === "EUSERS") return limitReached(unshare);
  if (code === "EINVAL") return unknownKind(unshare);
  if (code !== "EPERM" && code !== "EACCES") return undefined;
  return unshare.includes("user")
    ? usersForbidden()
    : 'this needs CAP_SYS_ADMIN, or a user namespace as well: unshare: ["user", …]';
}

function enteringRefused(
  code: string,
  kinds: readonly NamespaceKind[],
  message: string,
): string | undefined {
  if (code === "EPERM") {
    return kinds.includes("user")
      ? "this needs CAP_SYS_ADMIN in the namespace's user namespace, as its owner has it"
      : 'this needs CAP_SYS_ADMIN, or the target\'s user namespace as well: "user" among the kinds';
  }
  if (code === "EINVAL" && message.includes("nsenter pid")) {
    return "a PID namespace can be entered only from itself and from above";
  }
  return undefined;
}

function usersForbidden(): string {
  if (read("kernel/unprivileged_userns_clone") === "0") {
    return "the sysctl kernel.unprivileged_userns_clone is 0, which forbids user namespaces to " +
      "programs without CAP_SYS_ADMIN";
  }
  if (read("kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return "the sysctl kernel.apparmor_restrict_unprivileged_userns is 1: this program needs an " +
      "AppArmor profile that allows userns";
  }
  return "a sandbox, a security module or a chroot forbids user namespaces";
}

function limitReached(kinds: readonly NamespaceKind[]): string {
  const limits = kinds.map((kind) => `max_${kind.replace("_for_children", "")}_namespaces`);
  const read0 = limits.filter((limit) => read(`user/${limit}`) === "0");
  const names = (read0.length > 0 ? read0 : limits).map((limit) => `user.${limit}`).join(", ");
  if (read0.length > 0) return `the sysctl ${names} is 0`;
  return `a limit is reached: the sysctl ${names}, or 32 namespaces one in the other`;
}

function unknownKind(kinds: readonly NamespaceKind[]): string | undefined {
  const missing = kinds.filter((kind) => namespaceLink(kind) === undefined);
  return missing.length === 0 ? undefined : `this kernel has no such namespaces: ${missing}`;
}

/** A setting below /proc/sys; undefined where there is none. */
function read(name: string): string | undefined {
  try {
    return readTextFile(AT_FDCWD, `/proc/sys/${name}`).trim();
  } catch {
    // What can't be read explains nothing. The error itself is what counts.
    return undefined;
  }
}

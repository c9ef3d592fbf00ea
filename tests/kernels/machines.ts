/**
 * The machines that the tests are run on: which kernel, and which system around it.
 *
 * @module
 */

import { HostError } from "./tools.ts";

/** An architecture, as Debian calls it. */
export type Architecture = "amd64" | "arm64";

/** A machine to boot. */
export interface Machine {
  /** The kernel's series, as it is asked for on the command line. */
  readonly version: string;
  readonly architecture: Architecture;
  /** The Debian suite that has the kernel. */
  readonly kernelSuite: string;
  /** The Debian suite that libc and all programs are from. */
  readonly systemSuite: string;
}

const DEBIAN_11 = { version: "5.10", kernelSuite: "bullseye", systemSuite: "bullseye" };
const DEBIAN_12 = { version: "6.1", kernelSuite: "bookworm", systemSuite: "bookworm" };
const DEBIAN_13 = { version: "6.12", kernelSuite: "trixie", systemSuite: "trixie" };
const BACKPORTS = { version: "7", kernelSuite: "trixie-backports", systemSuite: "trixie" };

/** All of them, each kernel with the libc of the Debian that ships it. */
export const MACHINES: readonly Machine[] = [
  { ...DEBIAN_11, architecture: "amd64" },
  { ...DEBIAN_12, architecture: "amd64" },
  { ...DEBIAN_13, architecture: "amd64" },
  { ...BACKPORTS, architecture: "amd64" },
  { ...DEBIAN_13, architecture: "arm64" },
  { ...BACKPORTS, architecture: "arm64" },
];

/** Whether it has the newest of the kernels. */
export function isNewest({ version }: Machine): boolean {
  return version === BACKPORTS.version;
}

/** A machine's full name, which selects it alone. */
export function nameOf({ version, architecture }: Machine): string {
  return `${version}-${architecture}`;
}

/**
 * The machines that are asked for, by version, architecture or both; all if none is.
 *
 * @throws {HostError} If there is none of that name.
 */
export function select(wanted: readonly string[]): Machine[] {
  const fits = (machine: Machine, name: string) =>
    [machine.version, machine.architecture, nameOf(machine)].includes(name);
  for (const name of wanted) {
    if (MACHINES.some((machine) => fits(machine, name))) continue;
    throw new HostError(`no machine "${name}"; there are: ${MACHINES.map(nameOf).join(", ")}`);
  }
  return MACHINES.filter((machine) =>
    wanted.length === 0 || wanted.some((name) => fits(machine, name))
  );
}

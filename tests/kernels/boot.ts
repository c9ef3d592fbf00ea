/**
 * Boots a machine and listens to it until it is turned off.
 *
 * @module
 */

import type { Image } from "./image.ts";
import type { Architecture, Machine } from "./machines.ts";

/** What emulates each architecture, and what is peculiar to it. */
const EMULATORS: Readonly<
  Record<Architecture, { command: string; machine: string; cpu: string; console: string }>
> = {
  amd64: {
    command: "qemu-system-x86_64",
    machine: "q35",
    // One with all that QEMU knows takes nearly twice the time for the tests, for its wide vectors,
    // its five levels of page tables and its checks of what the kernel may touch.
    cpu: "Nehalem",
    console: "ttyS0",
  },
  arm64: {
    command: "qemu-system-aarch64",
    machine: "virt",
    // Without signed pointers, which cost more than all the rest together.
    cpu: "neoverse-n1",
    console: "ttyAMA0",
  },
};

/** The kernel's parameters that make a machine faster, and change nothing for the tests. */
const FAST = "norandmaps mitigations=off";

/** What emulates a machine. */
export function emulatorOf({ architecture }: Machine): string {
  return EMULATORS[architecture].command;
}

/** How a machine's run ended. */
export interface Outcome {
  /** The exit code of the command, or null if the machine never said that it ended. */
  readonly code: number | null;
  /** Whether the machine was turned off by itself, and not by us after too long a time. */
  readonly endedByItself: boolean;
}

/**
 * Boots a machine that runs its command.
 *
 * @param limit How long it may take, in milliseconds.
 * @param onLine Gets each line that it prints.
 */
export async function boot(
  machine: Machine,
  { kernel, initramfs }: Image,
  limit: number,
  onLine: (line: string) => void,
): Promise<Outcome> {
  const emulator = EMULATORS[machine.architecture];
  const signal = AbortSignal.timeout(limit);
  const child = new Deno.Command(emulator.command, {
    args: [
      ...["-nodefaults", "-display", "none", "-serial", "stdio"],
      ...["-M", emulator.machine, "-accel", "tcg,thread=multi", "-cpu", emulator.cpu],
      ...["-smp", "2", "-m", "3G"],
      ...["-kernel", kernel, "-initrd", initramfs],
      // Whatever goes wrong ends the machine: a panic asks for a reboot, and that is the end.
      // Programs get the same addresses each time: what the emulator has translated for one then
      // serves the next, and the tests take two thirds of the time. There is nobody to defend
      // against, either: with Nehalem's flaws mended, each system call would empty the TLB.
      ...["-no-reboot", "-append", `console=${emulator.console} panic=-1 quiet ${FAST}`],
    ],
    stdin: "null",
    stdout: "piped",
    signal,
  }).spawn();
  let code: number | null = null;
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r*\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const ending = /^the command ended with (\d+)$/.exec(line);
      if (ending) code = Number(ending[1]);
      onLine(line);
    }
  }
  if (rest !== "") onLine(rest);
  const { success } = await child.status;
  return { code, endedByItself: success && !signal.aborted };
}

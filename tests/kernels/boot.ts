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
  amd64: { command: "qemu-system-x86_64", machine: "q35", cpu: "max", console: "ttyS0" },
  arm64: {
    command: "qemu-system-aarch64",
    machine: "virt",
    // Signed pointers as the standard has them cost more than all the rest together.
    cpu: "max,pauth-impdef=on",
    console: "ttyAMA0",
  },
};

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
      // serves the next, and the tests take two thirds of the time.
      ...["-no-reboot", "-append", `console=${emulator.console} panic=-1 quiet norandmaps`],
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

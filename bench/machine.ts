/**
 * Where the figures come from: they mean something on this machine only.
 *
 * @module
 */

/** What a reader should know of the machine. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memory: string;
  readonly kernel: string;
  readonly date: string;
  /** The load average at the beginning: what else ran. */
  readonly load: number;
}

export function describeMachine(): Machine {
  const cpuinfo = Deno.readTextFileSync("/proc/cpuinfo");
  return {
    processor: /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    memory: `${Math.round(Deno.systemMemoryInfo().total / 2 ** 30)} GiB`,
    kernel: Deno.osRelease(),
    date: new Date().toISOString().slice(0, 10),
    load: Deno.loadavg()[0],
  };
}

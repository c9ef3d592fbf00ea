/**
 * A sandbox such as containers have, for programs of their own: there is no way out of it.
 *
 * @module
 */

const { symbols } = Deno.dlopen("libc.so.6", {
  // int prctl(int op, unsigned long arg2, ...);
  prctl: { parameters: ["i32", "usize", "buffer", "usize", "usize"], result: "i32" },
});

/** The numbers of the calls that can be forbidden. */
const NUMBERS = {
  x86_64: { ioctl: 16 },
  aarch64: { ioctl: 29 },
}[Deno.build.arch];
const SAME_NUMBERS = { pidfd_send_signal: 424, pidfd_open: 434, pidfd_getfd: 438 };

/** A call that can be forbidden. */
export type Call = keyof typeof NUMBERS | keyof typeof SAME_NUMBERS;

// What a filter is made of, as in <linux/bpf_common.h> and <linux/seccomp.h>.
const BPF_LD_W_ABS = 0x20;
const BPF_JMP_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
const SECCOMP_RET_ERRNO = 0x0005_0000;
const SECCOMP_RET_ALLOW = 0x7fff_0000;
/** offsetof(struct seccomp_data, nr) */
const NR = 0;

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2n;

/** struct sock_filter */
type Instruction = [code: number, jumpIfTrue: number, jumpIfFalse: number, k: number];

/** Has calls of this thread fail from now on, with an errno. */
export function forbid(calls: readonly Call[], errno: number): void {
  const numbers = { ...NUMBERS, ...SAME_NUMBERS };
  const filter = assemble([
    [BPF_LD_W_ABS, 0, 0, NR],
    // Each jumps to the last line, or goes on with the next.
    ...calls.map((call, i): Instruction => [BPF_JMP_JEQ_K, calls.length - i, 0, numbers[call]]),
    [BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW],
    [BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno],
  ]);
  // struct sock_fprog
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.byteLength / 8, true);
  program.setBigUint64(8, Deno.UnsafePointer.value(Deno.UnsafePointer.of(filter)), true);

  const results = [
    symbols.prctl(PR_SET_NO_NEW_PRIVS, 1n, null, 0n, 0n),
    symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, new Uint8Array(program.buffer), 0n, 0n),
  ];
  if (results.some((result) => result !== 0)) throw new Error("no filter can be set here");
}

function assemble(instructions: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new DataView(new ArrayBuffer(8 * instructions.length));
  instructions.forEach(([code, jumpIfTrue, jumpIfFalse, k], i) => {
    bytes.setUint16(8 * i, code, true);
    bytes.setUint8(8 * i + 2, jumpIfTrue);
    bytes.setUint8(8 * i + 3, jumpIfFalse);
    bytes.setUint32(8 * i + 4, k, true);
  });
  return new Uint8Array(bytes.buffer);
}

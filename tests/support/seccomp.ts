/**
 * A sandbox such as containers have, for programs of their own: there is no way out of it.
 *
 * @module
 */

const { symbols } = Deno.dlopen("libc.so.6", {
  // int prctl(int op, unsigned long arg2, ...);
  prctl: { parameters: ["i32", "usize", "buffer", "usize", "usize"], result: "i32" },
  // long syscall(long number, ...): seccomp(unsigned int op, unsigned int flags, void *args)
  syscall: { parameters: ["i64", "u32", "u32", "buffer"], result: "i64" },
});

/** What is forbidden: a call, or one with a certain argument. */
interface Rule {
  /** The call's number on x86-64, and on arm64. */
  readonly number: readonly [number, number];
  /** Which argument makes the difference, which of its bits, and what they have to be. */
  readonly argument?: { readonly at: number; readonly bits: number; readonly value: number };
}

const RULES = {
  // Threads are made without, and the library's processes with it.
  "clone(CLONE_VFORK)": { number: [56, 220], argument: { at: 0, bits: 0x4000, value: 0x4000 } },
  clone3: { number: [435, 435] },
  close_range: { number: [436, 436] },
  // The library asks for 256 events at a time, and Deno for another number.
  "epoll_wait(256)": { number: [232, 22], argument: { at: 2, bits: 0xffff, value: 256 } },
  faccessat2: { number: [439, 439] },
  "getsockopt(SO_PEERPIDFD)": { number: [55, 209], argument: { at: 2, bits: 0xffff, value: 77 } },
  ioctl: { number: [16, 29] },
  "ioctl(TIOCGPTPEER)": { number: [16, 29], argument: { at: 1, bits: 0xffff, value: 0x5441 } },
  "ioctl(TIOCSCTTY)": { number: [16, 29], argument: { at: 1, bits: 0xffff, value: 0x540e } },
  "ioctl(pidfd)": { number: [16, 29], argument: { at: 1, bits: 0xff00, value: 0xff00 } },
  open_by_handle_at: { number: [304, 265] },
  pidfd_getfd: { number: [438, 438] },
  pidfd_open: { number: [434, 434] },
  pidfd_send_signal: { number: [424, 424] },
  prctl: { number: [157, 167] },
  process_vm_readv: { number: [310, 270] },
  setns: { number: [308, 268] },
  "setsockopt(SO_PASSPIDFD)": { number: [54, 208], argument: { at: 2, bits: 0xffff, value: 76 } },
  statx: { number: [332, 291] },
  "waitid(P_PIDFD)": { number: [247, 95], argument: { at: 0, bits: 0xffff, value: 3 } },
} as const satisfies Record<string, Rule>;

/** A call that can be forbidden. */
export type Call = keyof typeof RULES;

const direct = Deno.dlopen("libc.so.6", {
  // long syscall(long number, ...), with as many arguments as a call can have
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
}).symbols;

/** The errno of a call that can do nothing, as all its arguments are wrong but the one that counts. */
export function errnoOf(call: Call): number {
  const { argument }: Rule = RULES[call];
  const [a, b, c, d, e, f] = Array.from(
    { length: 6 },
    (_, i) => i === argument?.at ? BigInt(argument.value) : -1n,
  );
  const errno = new Deno.UnsafePointerView(direct.__errno_location()!);
  return direct.syscall(BigInt(numberOf(RULES[call])), a, b, c, d, e, f) < 0n
    ? errno.getInt32()
    : 0;
}

/** The call's number on this machine. */
function numberOf({ number: [x86, arm] }: Rule): number {
  return Deno.build.arch === "x86_64" ? x86 : arm;
}

// What a filter is made of, as in <linux/bpf_common.h> and <linux/seccomp.h>.
const BPF_LD_W_ABS = 0x20;
const BPF_ALU_OR_K = 0x44;
const BPF_ALU_AND_K = 0x54;
const BPF_JMP_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
const BPF_RET_A = 0x16;
const SECCOMP_RET_ERRNO = 0x0005_0000;
const SECCOMP_RET_ALLOW = 0x7fff_0000;
/** offsetof(struct seccomp_data, nr) */
const NR = 0;
/** offsetof(struct seccomp_data, args), and the size of each. */
const ARGS = 16;
const ARG = 8;

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const SECCOMP = Deno.build.arch === "x86_64" ? 317n : 277n;

/** struct sock_filter */
type Instruction = [code: number, jumpIfTrue: number, jumpIfFalse: number, k: number];

/** Who is in the sandbox: this thread and those that it starts, or the whole program. */
export type Scope = "thread" | "program";

/** Has calls fail from now on, with an errno. */
export function forbid(calls: readonly Call[], errno: number, scope: Scope = "thread"): void {
  const refusal: Instruction = [BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno];
  install([
    ...calls.flatMap((call) => instructions(RULES[call], refusal)),
    [BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW],
  ], scope);
}

/** Has each making of a folder fail from now on, with the errno that is given for its mode. */
export function failMkdirByMode(): void {
  // mkdir(path, mode), and mkdirat(dirfd, path, mode) where that is the only one
  const [number, at] = Deno.build.arch === "x86_64" ? [83, 1] : [34, 2];
  install([
    [BPF_LD_W_ABS, 0, 0, NR],
    [BPF_JMP_JEQ_K, 0, 3, number],
    [BPF_LD_W_ABS, 0, 0, ARGS + ARG * at],
    [BPF_ALU_OR_K, 0, 0, SECCOMP_RET_ERRNO],
    [BPF_RET_A, 0, 0, 0],
    [BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW],
  ], "thread");
}

function install(instructions: readonly Instruction[], scope: Scope): void {
  const filter = assemble(instructions);
  // struct sock_fprog
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.byteLength / 8, true);
  program.setBigUint64(8, Deno.UnsafePointer.value(Deno.UnsafePointer.of(filter)), true);

  const flags = scope === "program" ? SECCOMP_FILTER_FLAG_TSYNC : 0;
  const bytes = new Uint8Array(program.buffer);
  const results = [
    BigInt(symbols.prctl(PR_SET_NO_NEW_PRIVS, 1n, null, 0n, 0n)),
    symbols.syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, flags, bytes),
  ];
  if (results.some((result) => result !== 0n)) throw new Error("no filter can be set here");
}

/** Refuses what the rule says, and otherwise goes on behind. */
function instructions(rule: Rule, refusal: Instruction): Instruction[] {
  const { argument } = rule;
  const condition: Instruction[] = argument
    ? [
      [BPF_LD_W_ABS, 0, 0, ARGS + ARG * argument.at],
      [BPF_ALU_AND_K, 0, 0, argument.bits],
      [BPF_JMP_JEQ_K, 0, 1, argument.value],
    ]
    : [];
  return [
    [BPF_LD_W_ABS, 0, 0, NR],
    [BPF_JMP_JEQ_K, 0, condition.length + 1, numberOf(rule)],
    ...condition,
    refusal,
  ];
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

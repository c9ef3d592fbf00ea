/**
 * The launcher: machine code that calls clone, because JavaScript can't. clone(2) returns twice,
 * and the second return, in the child, would be into a copy of JavaScript. With this code the child
 * returns into the code instead.
 *
 * In this program the code blocks all signals, starts the child, and restores the signal mask. In
 * the child it makes one system call after another, the job's steps. The last one is execve, which
 * doesn't return. If a step doesn't allow a result, the code writes result and step to the job's
 * outcome, unless a note is there already, and ends the child.
 *
 * It is safe for these reasons:
 * - The child uses neither stack nor libc. Until execve it may share this program's memory, but it
 *   changes only the outcome. This thread is suspended meanwhile (CLONE_VFORK).
 * - All signals are blocked, so no signal handler of this program runs in the child.
 * - The code contains no addresses. It gets the job's address as its first argument.
 *
 * Each line has the instruction's bytes, the instruction, and its reason. A test assembles the
 * instructions and compares the bytes. Names such as `job.mask` stand for offsets in
 * structs/launch.ts.
 *
 * @module
 */

import type { Arch } from "./libc.ts";

/** An instruction: its bytes in hexadecimal, its text and its reason. Or a label, without bytes. */
export type Line = readonly [bytes: string, assembly: string, reason?: string];

const X86_64: readonly Line[] = [
  ["53", "push rbx", "save the caller's value"],
  ["4889fb", "mov rbx, rdi", "the job, in a register that system calls keep"],
  ["b80e000000", "mov eax, 14", "rt_sigprocmask"],
  ["bf02000000", "mov edi, 2", "SIG_SETMASK"],
  ["488d7340", "lea rsi, [rbx + job.blocked]"],
  ["488d5348", "lea rdx, [rbx + job.mask]"],
  ["41ba08000000", "mov r10d, 8", "the size of a signal set"],
  ["0f05", "syscall"],
  ["48894350", "mov [rbx + job.blocking], rax"],
  ["4885c0", "test rax, rax"],
  ["783a", "js done", "if signals can't be blocked, nothing is started"],
  ["488b03", "mov rax, [rbx + job.birth]", "clone3 or clone"],
  ["488b7b08", "mov rdi, [rbx + job.birth + 8]"],
  ["488b7310", "mov rsi, [rbx + job.birth + 16]"],
  ["488b5318", "mov rdx, [rbx + job.birth + 24]"],
  ["4c8b5320", "mov r10, [rbx + job.birth + 32]"],
  ["4c8b4328", "mov r8, [rbx + job.birth + 40]"],
  ["0f05", "syscall"],
  ["4885c0", "test rax, rax"],
  ["7420", "jz child", "in the child it returns 0"],
  ["48894358", "mov [rbx + job.child], rax"],
  ["b80e000000", "mov eax, 14", "rt_sigprocmask"],
  ["bf02000000", "mov edi, 2", "SIG_SETMASK"],
  ["488d7348", "lea rsi, [rbx + job.mask]"],
  ["31d2", "xor edx, edx", "the old mask is not needed"],
  ["41ba08000000", "mov r10d, 8"],
  ["0f05", "syscall"],
  ["", "done:"],
  ["31c0", "xor eax, eax", "to bsearch: this is the element that it looks for"],
  ["5b", "pop rbx"],
  ["c3", "ret"],
  ["", "child:"],
  ["4c8b6330", "mov r12, [rbx + job.steps]"],
  ["", "next:"],
  ["498b0424", "mov rax, [r12 + step.number]"],
  ["498b7c2408", "mov rdi, [r12 + step.args]"],
  ["498b742410", "mov rsi, [r12 + step.args + 8]"],
  ["498b542418", "mov rdx, [r12 + step.args + 16]"],
  ["4d8b542420", "mov r10, [r12 + step.args + 24]"],
  ["4d8b442428", "mov r8, [r12 + step.args + 32]"],
  ["4d8b4c2430", "mov r9, [r12 + step.args + 40]"],
  ["0f05", "syscall"],
  ["493b442438", "cmp rax, [r12 + step.least]"],
  ["7c0d", "jl failed"],
  ["493b442440", "cmp rax, [r12 + step.most]"],
  ["7f06", "jg failed"],
  ["4983c448", "add r12, step.size"],
  ["ebc8", "jmp next"],
  ["", "failed:"],
  ["488b4b38", "mov rcx, [rbx + job.outcome]"],
  ["4883790800", "cmp qword ptr [rcx + outcome.step], 0"],
  ["7507", "jne end", "keep a note that is there already: the heir's"],
  ["488901", "mov [rcx + outcome.result], rax"],
  ["4c896108", "mov [rcx + outcome.step], r12"],
  ["", "end:"],
  ["bf7f000000", "mov edi, 127", "this status is never shown: the parent reaps and throws"],
  ["b8e7000000", "mov eax, 231", "exit_group"],
  ["0f05", "syscall"],
];

const AARCH64: readonly Line[] = [
  ["f30f1ff8", "str x19, [sp, #-16]!", "save the caller's value"],
  ["f30300aa", "mov x19, x0", "the job, in a register that system calls keep"],
  ["e81080d2", "mov x8, #135", "rt_sigprocmask"],
  ["400080d2", "mov x0, #2", "SIG_SETMASK"],
  ["61020191", "add x1, x19, #job.blocked"],
  ["62220191", "add x2, x19, #job.mask"],
  ["030180d2", "mov x3, #8", "the size of a signal set"],
  ["010000d4", "svc #0"],
  ["602a00f9", "str x0, [x19, #job.blocking]"],
  ["c001f8b7", "tbnz x0, #63, done", "if signals can't be blocked, nothing is started"],
  ["680240f9", "ldr x8, [x19, #job.birth]", "clone3 or clone"],
  ["608640a9", "ldp x0, x1, [x19, #job.birth + 8]"],
  ["628e41a9", "ldp x2, x3, [x19, #job.birth + 24]"],
  ["641640f9", "ldr x4, [x19, #job.birth + 40]"],
  ["010000d4", "svc #0"],
  ["600100b4", "cbz x0, child", "in the child it returns 0"],
  ["602e00f9", "str x0, [x19, #job.child]"],
  ["e81080d2", "mov x8, #135", "rt_sigprocmask"],
  ["400080d2", "mov x0, #2", "SIG_SETMASK"],
  ["61220191", "add x1, x19, #job.mask"],
  ["020080d2", "mov x2, #0", "the old mask is not needed"],
  ["030180d2", "mov x3, #8"],
  ["010000d4", "svc #0"],
  ["", "done:"],
  ["00008052", "mov w0, #0", "to bsearch: this is the element that it looks for"],
  ["f30741f8", "ldr x19, [sp], #16"],
  ["c0035fd6", "ret"],
  ["", "child:"],
  ["741a40f9", "ldr x20, [x19, #job.steps]"],
  ["", "next:"],
  ["880240f9", "ldr x8, [x20, #step.number]"],
  ["808640a9", "ldp x0, x1, [x20, #step.args]"],
  ["828e41a9", "ldp x2, x3, [x20, #step.args + 16]"],
  ["849642a9", "ldp x4, x5, [x20, #step.args + 32]"],
  ["010000d4", "svc #0"],
  ["89aa43a9", "ldp x9, x10, [x20, #step.least]", "and step.most behind it"],
  ["1f0009eb", "cmp x0, x9"],
  ["ab000054", "b.lt failed"],
  ["1f000aeb", "cmp x0, x10"],
  ["6c000054", "b.gt failed"],
  ["94220191", "add x20, x20, #step.size"],
  ["f5ffff17", "b next"],
  ["", "failed:"],
  ["611e40f9", "ldr x1, [x19, #job.outcome]"],
  ["220440f9", "ldr x2, [x1, #outcome.step]"],
  ["420000b5", "cbnz x2, end", "keep a note that is there already: the heir's"],
  ["205000a9", "stp x0, x20, [x1, #outcome.result]", "and outcome.step behind it"],
  ["", "end:"],
  ["e00f80d2", "mov x0, #127", "this status is never shown: the parent reaps and throws"],
  ["c80b80d2", "mov x8, #94", "exit_group"],
  ["010000d4", "svc #0"],
];

/** The listing for each architecture. */
export const LISTINGS: Readonly<Record<Arch, readonly Line[]>> = {
  x86_64: X86_64,
  aarch64: AARCH64,
};

/** The code itself. */
export function machineCode(arch: Arch): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(LISTINGS[arch].map(([bytes]) => bytes).join(""));
}

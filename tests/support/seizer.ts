/**
 * A program that traces a process, given by its PID, until its own input ends: as long as it does,
 * that process's parent is not told of its end (ptrace(2), PTRACE_SEIZE).
 *
 * @module
 */

const PTRACE_SEIZE = 0x4206;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // long ptrace(enum __ptrace_request op, pid_t pid, void *addr, void *data);
  ptrace: { parameters: ["i32", "i32", "usize", "usize"], result: "i64" },
});

const result = libc.ptrace(PTRACE_SEIZE, Number(Deno.args[0]), 0n, 0n);
console.log(result === 0n ? "seized" : "refused");
await Deno.stdin.read(new Uint8Array(1));

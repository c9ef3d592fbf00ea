/**
 * A program that puts a text into a file without a name and into a pipe, neither of which anyone
 * else has open, and prints its fds of them as JSON. Started with an argument, it lets nobody
 * look into it without CAP_SYS_PTRACE.
 *
 * @module
 */

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // int memfd_create(const char *name, unsigned int flags);
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // ssize_t pwrite(int fd, const void buf[count], size_t count, off_t offset);
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  // int pipe(int pipefd[2]);
  pipe: { parameters: ["buffer"], result: "i32" },
  // ssize_t write(int fd, const void buf[count], size_t count);
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  // int prctl(int op, unsigned long arg2);
  prctl: { parameters: ["i32", "usize"], result: "i32" },
});

const PR_SET_DUMPABLE = 4;
if (Deno.args.length > 0) libc.prctl(PR_SET_DUMPABLE, 0n);

const encode = (text: string) => new TextEncoder().encode(text);
const text = encode("in nobody else's hands");

const memfd = libc.memfd_create(encode("held\0"), 0);
// It stands at the beginning still, which is shared by all who have it open.
libc.pwrite(memfd, text, BigInt(text.length), 0n);

const ends = new Int32Array(2);
libc.pipe(ends);
const [pipe, writingEnd] = ends;
libc.write(writingEnd, text, BigInt(text.length));
libc.close(writingEnd);

console.log(JSON.stringify({ memfd, pipe }));
for await (const _ of Deno.stdin.readable);

/**
 * A program that gets the signal whose number is its argument as data: each time it reads a
 * line, it takes the next one and prints it as JSON. It has to be started with the signal
 * blocked, in all of its threads.
 *
 * @module
 */

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // int signalfd(int fd, const sigset_t *mask, int flags);
  signalfd: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // ssize_t read(int fd, void buf[count], size_t count);
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

/** sigset_t, with a bit for each signal. */
const set = new Uint8Array(128);
const signal = Number(Deno.args[0]);
set[(signal - 1) >> 3] |= 1 << ((signal - 1) & 7);

const fd = libc.signalfd(-1, set, 0);
// struct signalfd_siginfo
const info = new DataView(new ArrayBuffer(128));

console.log("ready");
for await (const _ of Deno.stdin.readable) {
  libc.read(fd, new Uint8Array(info.buffer), BigInt(info.byteLength));
  console.log(JSON.stringify({
    signo: info.getUint32(0, true),
    code: info.getInt32(8, true),
    pid: info.getUint32(12, true),
    uid: info.getUint32(16, true),
    int: info.getInt32(44, true),
  }));
}

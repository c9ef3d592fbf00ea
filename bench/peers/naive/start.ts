// A first call: a handle on the program itself, and signal 0 through it.
const { symbols: libc } = Deno.dlopen("libc.so.6", {
  pidfd_open: { name: "syscall", parameters: ["i32", "i32", "u32"], result: "i32" },
  pidfd_send_signal: {
    name: "syscall",
    parameters: ["i32", "i32", "i32", "pointer", "u32"],
    result: "i32",
  },
  close: { parameters: ["i32"], result: "i32" },
});

const pidfd = libc.pidfd_open(434, Deno.pid, 0);
if (libc.pidfd_send_signal(424, pidfd, 0, null, 0) !== 0) throw new Error("pidfd_send_signal");
libc.close(pidfd);

/**
 * The table of libc's functions for starting a process. Some put the launcher's machine code into
 * memory and call it. Others read signal actions and the environment beforehand. The child itself
 * calls no function of libc: the machine code makes its system calls.
 *
 * @module
 */

import { libcWith } from "./libc.ts";

/** libc with every function that the launcher needs, opened at first use. */
export const launcherLibc = libcWith({
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
  mmap: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t length
      "i32", // int prot
      "i32", // int flags
      "i32", // int fd
      "i64", // off_t offset
    ],
    result: "usize", // the address
  },
  // int mprotect(void *addr, size_t len, int prot);
  mprotect: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t len
      "i32", // int prot
    ],
    result: "i32",
  },
  // void *memcpy(void *dest, const void *src, size_t n);
  memcpy_to_address: {
    name: "memcpy",
    parameters: [
      "usize", // void *dest, as an address
      "buffer", // const void *src
      "usize", // size_t n
    ],
    result: "pointer",
  },
  // void *bsearch(const void *key, const void *base, size_t nmemb, size_t size, int (*compar)(const
  //   void *, const void *)); It is our way to call code by its address: with one element, bsearch
  //   calls `compar` once, in this thread, with the key as its first argument.
  //   `Deno.UnsafeFnPointer` is no alternative: Deno refuses it if the FFI permission is for libc's
  //   path alone.
  bsearch: {
    parameters: [
      "buffer", // const void *key
      "buffer", // const void *base
      "usize", // size_t nmemb
      "usize", // size_t size
      "usize", // int (*compar)(const void *, const void *), as an address
    ],
    result: "void", // not needed
  },
  // int kill(pid_t pid, int sig);
  kill: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int sig
    ],
    result: "i32",
  },
  // long syscall(long number, ...):
  // rt_sigaction(int signum, const struct sigaction *act, struct sigaction *oldact, size_t size)
  // libc's own sigaction(2) refuses the two real-time signals that libc uses internally.
  syscall_rt_sigaction: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int signum
      "buffer", // const struct sigaction *act, or NULL
      "buffer", // struct sigaction *oldact, or NULL
      "usize", // size_t sigsetsize
    ],
    result: "i32",
  },
  // ssize_t process_vm_readv(pid_t pid, const struct iovec *local_iov, unsigned long liovcnt,
  //   const struct iovec *remote_iov, unsigned long riovcnt, unsigned long flags);
  process_vm_readv: {
    parameters: [
      "i32", // pid_t pid
      "buffer", // const struct iovec *local_iov
      "usize", // unsigned long liovcnt
      "buffer", // const struct iovec *remote_iov
      "usize", // unsigned long riovcnt
      "usize", // unsigned long flags
    ],
    result: "i32",
  },
});

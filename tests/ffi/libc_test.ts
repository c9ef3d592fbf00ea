/**
 * errno, and memory that only libc can reach.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Errno } from "../../ffi/errno.ts";
import { addressOf, describeErrno, lastErrno, libc } from "../../ffi/libc.ts";
import { cStringArray, fromCString } from "../../structs/cstring.ts";
import { u64 } from "../../structs/scalars.ts";
import { setErrno } from "../support/errno.ts";
import { ROOT, runForValue } from "../support/processes.ts";

const PIDFD_OPEN = 434;

/** Where this system has its libc. */
const LIBC = /\S+\/libc\.so\.6$/m.exec(Deno.readTextFileSync("/proc/self/maps"))![0];

Deno.test("libc() is opened once", () => {
  assert(libc() === libc());
});

Deno.test("lastErrno() is the error of the call before", () => {
  assertEquals(libc().close(-1), -1);
  assertEquals(lastErrno(), Errno.EBADF);
  assertEquals(libc().syscall_pidfd_open(PIDFD_OPEN, 2 ** 31 - 1, 0), -1);
  assertEquals(lastErrno(), Errno.ESRCH);
});

Deno.test("lastErrno() stays right while the garbage collector works", () => {
  for (let i = 1; i <= 20_000; i++) {
    // Something to collect.
    new Array(100).fill(i).map(String);
    setErrno(i);
    assertEquals(lastErrno(), i);
  }
});

/** Notes which functions are opened, in the order of the openings. */
const WATCHED = `
  const { dlopen } = Deno;
  const opened = [];
  Deno.dlopen = (path, table) => {
    opened.push(Object.keys(table));
    return dlopen(path, table);
  };
`;

Deno.test("libc opens what reads errno and what cleans up before any other function", async () => {
  const opened = await runForValue(`
    import { socketLibc } from "${ROOT}ffi/socket_symbols.ts";
    ${WATCHED}
    const before = socketLibc().listen;
    socketLibc().listen(-1, 0);
    socketLibc().shutdown(-1, 0);
    // A copy that was taken before still works, and opens nothing more.
    before(-1, 0);
    console.log(JSON.stringify([opened[0].slice(0, 3), opened[1].includes("listen"), opened.length]));
  `);
  assertEquals(opened, [["__errno_location", "memcpy", "close"], true, 2]);
});

Deno.test("libc opens a function when it is called, with those that undo what it does", async () => {
  const opened = await runForValue(`
    import { libc } from "${ROOT}ffi/libc.ts";
    ${WATCHED}
    libc().getuid();
    libc().getuid();
    libc().close(libc().epoll_create1(0));
    console.log(JSON.stringify([opened.length, opened[1], opened[2].includes("epoll_ctl")]));
  `);
  assertEquals(opened, [3, ["getuid"], true]);
});

for (const flag of ["--allow-ffi", `--allow-ffi=${LIBC}`]) {
  Deno.test(`libc opens functions without a descriptor, with ${flag}`, async () => {
    const codes = await runForValue(
      `
      import { PidFd, OwnedFd } from "@pidfd/util";
      const self = PidFd.fromSelf();
      // Without a permission to open files there is no other way to take all that are left.
      const taken = [];
      const codes = [];
      for (const more of [() => self.clone(), () => PidFd.fromSelf(), () => OwnedFd.pipe()]) {
        try {
          for (;;) taken.push(more());
        } catch ({ name, code }) {
          codes.push([name, code]);
        }
      }
      for (const one of taken) one.close();
      console.log(JSON.stringify(codes));
    `,
      [flag],
      ["prlimit", "--nofile=64"],
    );
    assertEquals(codes, Array(3).fill(["SyscallError", "EMFILE"]));
  });
}

Deno.test("describeErrno() has libc's words for an error", () => {
  assertEquals(describeErrno(Errno.ESRCH), "No such process");
  assertEquals(describeErrno(9999), "Unknown error 9999");
});

/** Reads memory by its address. */
function peek(address: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  libc().memcpy_from_address(bytes, address, BigInt(length));
  return bytes;
}

Deno.test("addressOf() tells where a buffer is, be it small or large", () => {
  for (const length of [1, 8, 64, 4096, 1 << 20]) {
    const bytes = new Uint8Array(length).fill(7);
    const address = addressOf(bytes);
    bytes[length - 1] = 9;
    assertEquals(peek(address, length), bytes);
  }
});

Deno.test("addressOf() tells where a part of a buffer is", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  assertEquals(addressOf(bytes.subarray(2)), addressOf(bytes) + 2n);
  assertEquals([...peek(addressOf(bytes.subarray(2)), 2)], [3, 4]);
});

Deno.test("addressOf() stays true while the garbage collector moves things", () => {
  const kept = Array.from({ length: 2000 }, (_, i) => new Uint8Array([i & 0xff, i >> 8]));
  const addresses = kept.map((bytes) => addressOf(bytes));
  gc();
  assertEquals(addresses.map((address) => peek(address, 2)), kept);
});

Deno.test("cStringArray() with addressOf() makes strings that libc finds", () => {
  const texts = ["first", "", "ä".repeat(100)];
  const pointers = cStringArray(texts, "texts", addressOf);
  const view = new DataView(pointers.buffer);
  const found = texts.map((_, i) => {
    const address = u64.read(view, i * u64.size);
    return fromCString(peek(address, Number(libc().strnlen(address, 1000n))));
  });
  assertEquals(found, texts);
});

declare const gc: () => void;

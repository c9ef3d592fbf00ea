/**
 * Users as libc knows them, those with many groups and long texts among them.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { accountLibc, findAccount, findGroup } from "../../ffi/accounts.ts";
import { Errno } from "../../ffi/errno.ts";
import { SyscallError } from "../../mod.ts";
import { passwd } from "../../structs/passwd.ts";
import { canRun, needing } from "../support/skip.ts";
import { shadow } from "../support/shadow.ts";

Deno.test("findAccount() finds what id(1) does", () => {
  const ids = (option: string) => {
    const { stdout } = new Deno.Command("id", { args: [option, "root"] }).outputSync();
    return new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  };
  const { uid, gid, groups } = findAccount("root");
  assertEquals([uid], ids("-u"));
  assertEquals([gid], ids("-g"));
  assertEquals(groups.toSorted(), ids("-G").toSorted());
});

/** Has libc answer a look-up with an error and no user. */
function answering(errno: number): Disposable {
  return shadow(accountLibc(), "getpwnam_r", () => () => errno);
}

for (const [name, errno] of Object.entries({ none: 0, ENOENT: 2, ESRCH: 3, EBADF: 9 })) {
  Deno.test(`findAccount() takes it for a user that there isn't: ${name}`, () => {
    using _answer = answering(errno);
    const { code, message } = assertThrows(() => findAccount("x"), SyscallError);
    assertEquals(code, "ENOENT");
    assertEquals(message.includes('there is no user "x"'), true);
  });
}

for (const code of ["EPERM", "EIO", "EMFILE", "ENOMEM"] as const) {
  Deno.test(`findAccount() passes on that a look-up failed: ${code}`, () => {
    using _answer = answering(Errno[code]);
    const error = assertThrows(() => findAccount("x"), SyscallError);
    assertEquals([error.code, error.syscall], [code, "getpwnam_r"]);
    assertEquals(error.message.includes("there is no user"), false);
  });
}

Deno.test("findAccount() makes room for an account's long texts, and goes on when interrupted", () => {
  const sizes: number[] = [];
  using _user = shadow(
    accountLibc(),
    "getpwnam_r",
    () => (_name, entry, _texts, size, found) => {
      sizes.push(Number(size));
      if (sizes.length === 2) return Errno.EINTR;
      if (size < 100_000) return Errno.ERANGE;
      const account = { pw_name: 1n, pw_passwd: 1n, pw_uid: 4_000_000_000, pw_gid: 7 };
      const rest = { pw_gecos: 1n, pw_dir: 1n, pw_shell: 1n };
      (entry as Uint8Array).set(passwd.encode({ ...account, ...rest }));
      (found as Uint8Array)[0] = 1;
      return 0;
    },
  );
  using _groups = shadow(accountLibc(), "getgrouplist", () => (_name, gid, groups, count) => {
    new Uint32Array((groups as Uint8Array<ArrayBuffer>).buffer)[0] = gid;
    new Int32Array((count as Uint8Array<ArrayBuffer>).buffer)[0] = 1;
    return 1;
  });
  assertEquals(findAccount("x"), { uid: 4_000_000_000, gid: 7, groups: [7] });
  assertEquals(sizes.at(-1)! >= 100_000, true);
});

Deno.test("findAccount() makes room for 1001 groups", () => {
  const all = Array.from({ length: 1001 }, (_, i) => 4_000_000_000 + i);
  using _groups = shadow(accountLibc(), "getgrouplist", () => (_name, _gid, groups, count) => {
    const room = new Int32Array((count as Uint8Array<ArrayBuffer>).buffer);
    const fits = room[0] >= all.length;
    // As getgrouplist(3) does, it tells how many there are, and fills what room there is.
    new Uint32Array((groups as Uint8Array<ArrayBuffer>).buffer).set(all.slice(0, room[0]));
    room[0] = all.length;
    return fits ? all.length : -1;
  });
  assertEquals(findAccount("root").groups, all);
});

const GETENT = ["getent with a group daemon", canRun("getent", ["group", "daemon"])] as const;

Deno.test(needing(...GETENT, "findGroup() finds what getent(1) does"), () => {
  const { stdout } = new Deno.Command("getent", { args: ["group", "daemon"] }).outputSync();
  const [name, , gid] = new TextDecoder().decode(stdout).split(":");
  assertEquals(name, "daemon");
  assertEquals(findGroup("daemon"), Number(gid));
});

Deno.test("findGroup() says that there is no such group", () => {
  const { code, message } = assertThrows(() => findGroup("no such group"), SyscallError);
  assertEquals(code, "ENOENT");
  assertEquals(message.includes('there is no group "no such group"'), true);
});

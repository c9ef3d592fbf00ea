/**
 * Starting children from a program that was itself started in an unusual way.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { runForValue } from "../support/processes.ts";

/** A command that executes the one behind it after a shell's command. */
function after(command: string): string[] {
  return ["sh", "-c", `${command}; exec "$@"`, "sh"];
}

Deno.test("spawn() keeps children to be reaped in a program that was started with SIGCHLD ignored", async () => {
  const codes = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    const codes = [];
    for (let i = 0; i < 50; i++) {
      codes.push((await spawn("sh", { args: ["-c", "exit " + i] }).status).code);
    }
    console.log(JSON.stringify(codes));
  `,
    ["--allow-ffi"],
    after('trap "" CHLD'),
  );
  assertEquals(codes, Array.from({ length: 50 }, (_, i) => i));
});

Deno.test("spawn() with env passes on what isn't UTF-8 as it is", async () => {
  const found = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    const args = ["-c", 'printf "%s" "$X$A" | od -An -tx1'];
    const child = spawn("sh", { args, env: { A: "a" }, stdout: "piped" });
    console.log(JSON.stringify((await child.stdout.text()).trim()));
  `,
    ["--allow-ffi"],
    after(`X=$(printf '\\351\\377'); export X`),
  );
  assertEquals(found, "e9 ff 61");
});

Deno.test("spawn() starts a child without any descriptor", async () => {
  const code = await runForValue(
    `
    import { OwnedFd, spawn } from "@pidfd/util";
    for (const fd of [0, 1, 2]) {
      const owned = new OwnedFd(fd);
      owned.setCloseOnExec(true);
      owned.intoFd();
    }
    const script = "for fd in 0 1 2; do [ ! -e /proc/$$/fd/$fd ] || exit 1; done; exit 7";
    const all = { stdin: "inherit", stdout: "inherit", stderr: "inherit" };
    console.log((await spawn("sh", { args: ["-c", script], ...all }).status).code);
  `,
    ["--allow-ffi"],
  );
  assertEquals(code, 7);
});

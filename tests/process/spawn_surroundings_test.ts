/**
 * Starting children from a program that was itself started in an unusual way.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { works } from "../support/privileges.ts";
import { runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** A command that executes the one behind it after a shell's command. */
function after(command: string): string[] {
  return ["sh", "-c", `${command}; exec "$@"`, "sh"];
}

/** Not by a shell: some leave SIGCHLD as it is whatever they are told. */
const ignoring = ["env", "--ignore-signal=CHLD"];

Deno.test({
  ...needing(
    "env --ignore-signal",
    works(ignoring),
    "spawn() keeps children to be reaped in a program that was started with SIGCHLD ignored",
  ),
  async fn() {
    const [isIgnored, codes] = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      const [, mask] = /^SigIgn:\\s*(\\w+)$/m.exec(Deno.readTextFileSync("/proc/self/status"));
      const isIgnored = (BigInt("0x" + mask) >> 16n & 1n) === 1n;
      const codes = [];
      for (let i = 0; i < 50; i++) {
        const { code, usage } = await spawn("sh", { args: ["-c", "exit " + i] }).status;
        // Some kernels tell the code of a child that nobody reaped, but only reaping tells the usage.
        codes.push(usage === null ? "not reaped" : code);
      }
      console.log(JSON.stringify([isIgnored, codes]));
    `,
      ["--allow-all"],
      ignoring,
    ) as [boolean, number[]];
    assertEquals(isIgnored, true);
    assertEquals(codes, Array.from({ length: 50 }, (_, i) => i));
  },
});

for (const flags of [["--allow-ffi"], ["--allow-ffi", "--allow-env"]]) {
  Deno.test(`spawn() passes on what isn't UTF-8 as it is, with ${flags.join(" ")}`, async () => {
    const found = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      const command = 'printf "%s" "$X$A" | od -An -tx1';
      const texts = [];
      for (const env of [{}, { A: "a" }]) {
        const child = spawn("sh", ["-c", command], { env, stdout: "piped" });
        texts.push((await child.stdout.text()).trim());
      }
      console.log(JSON.stringify(texts));
    `,
      flags,
      after(`X=$(printf '\\351\\377'); export X`),
    );
    assertEquals(found, ["e9 ff", "e9 ff 61"]);
  });
}

for (const option of ["--deny-env", "--ignore-env"]) {
  for (const allowed of [["--allow-ffi", "--allow-env"], ["--allow-all"]]) {
    const flags = [...allowed, `${option}=PATH,X`];
    Deno.test(`spawn() passes on all variables with ${flags.join(" ")}`, async () => {
      const found = await runForValue(
        `
        import { spawn } from "@pidfd/util";
        const child = spawn("env", { stdout: "piped" });
        const names = (await child.stdout.text()).split("\\n").map((line) => line.split("=")[0]);
        console.log(JSON.stringify(["PATH", "X"].filter((name) => names.includes(name))));
      `,
        flags,
        after("export X=1"),
      );
      assertEquals(found, ["PATH", "X"]);
    });
  }
}

for (const flags of [["--allow-ffi"], ["--allow-ffi", "--allow-env"]]) {
  Deno.test(`spawn() passes on variables with names of all kinds, with ${flags.join(" ")}`, async () => {
    const found = await runForValue(
      `
      import { spawn } from "@pidfd/util";
      const { symbols } = Deno.dlopen("libc.so.6", {
        // int putenv(char *string);
        putenv: { parameters: ["buffer"], result: "i32" },
      });
      const bytes = (text) => Uint8Array.from(text + "\\0", (char) => char.charCodeAt(0));
      // "\\xef\\xbf\\xbd" is U+FFFD, which stands for what isn't UTF-8 where that is decoded.
      const lines = ["=X=y", "N\\xe9=1", "N\\xff=2", "N\\xef\\xbf\\xbd=3", "\\xc3\\xa4=4"].map(bytes);
      for (const line of lines) symbols.putenv(line);
      const found = [];
      for (const env of [{}, { A: "a", "N\\ufffd": "5", "\\xe4": "6" }]) {
        const child = spawn("cat", ["/proc/self/environ"], { env, stdout: "piped" });
        const text = new TextDecoder("latin1").decode(await child.stdout.bytes());
        found.push(text.split("\\0").filter((line) => /^(=|A=|N\\W|\\W)/.test(line)).sort());
      }
      // The lines are in use as long as the program runs.
      console.log(JSON.stringify(lines.length && found));
    `,
      flags,
    );
    const [same, changed] = found as string[][];
    const fffd = "\xef\xbf\xbd";
    assertEquals(same, ["=X=y", "N\xe9=1", `N${fffd}=3`, "N\xff=2", "\xc3¤=4"]);
    assertEquals(changed, ["=X=y", "A=a", "N\xe9=1", `N${fffd}=5`, "N\xff=2", "\xc3¤=6"]);
  });
}

Deno.test("spawn() doesn't pass on what isn't UTF-8 once it was deleted", async () => {
  const found = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    Deno.env.delete("X");
    const child = spawn("sh", ["-c", 'echo "\${X-none}"'], { stdout: "piped" });
    console.log(JSON.stringify((await child.stdout.text()).trim()));
  `,
    ["--allow-ffi", "--allow-env"],
    after(`X=$(printf '\\351\\377'); export X`),
  );
  assertEquals(found, "none");
});

Deno.test("spawn() resets what this program was started to ignore", async () => {
  const found = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    const child = spawn("grep", ["-E", "Sig(Blk|Ign)", "/proc/self/status"], { stdout: "piped" });
    console.log(JSON.stringify(await child.stdout.text()));
  `,
    ["--allow-ffi"],
    after(`trap "" HUP INT QUIT USR1 ALRM TERM CHLD`),
  );
  const none = "0".repeat(16);
  assertEquals(found, `SigBlk:\t${none}\nSigIgn:\t${none}\n`);
});

Deno.test("spawn() works while workers set variables, and each child gets all of its own", async () => {
  const found = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    const code = \`
      self.postMessage("begun");
      for (;;) {
        for (let i = 0; i < 200; i++) Deno.env.set("W" + i, "x".repeat(i));
        for (let i = 0; i < 200; i++) Deno.env.delete("W" + i);
      }
    \`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    for (let i = 0; i < 2; i++) {
      const worker = new Worker(url, { type: "module" });
      await new Promise((resolve) => worker.onmessage = resolve);
    }
    const wrong = new Set();
    for (let i = 0; i < 100; i++) {
      const env = i % 2 ? { PIDFD_TEST: "1" } : undefined;
      const child = spawn("cat", ["/proc/self/environ"], { env, stdout: "piped" });
      const lines = (await child.stdout.text()).split("\\0").slice(0, -1);
      for (const line of lines) if (!/^[A-Za-z_]\\w*=/.test(line)) wrong.add(line);
      if (!lines.some((line) => line.startsWith("PATH="))) wrong.add("no PATH");
      if (env && !lines.includes("PIDFD_TEST=1")) wrong.add("no PIDFD_TEST");
    }
    console.log(JSON.stringify([...wrong]));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(found, []);
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

/**
 * What the command says that can't start.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

/** Runs the command where no other command is found. */
async function run(...args: string[]): Promise<{ code: number; stderr: string }> {
  const program = fromFileUrl(import.meta.resolve("./run.ts"));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", program, ...args],
    env: { PATH: "/nonexistent" },
    stdin: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("test:kernels names the commands that are missing, and what installs them", async () => {
  assertEquals(await run("6.12-arm64"), {
    code: 2,
    stderr: "missing on this machine: " +
      "apt-get, bash, cpio, dpkg-deb, git, tar, npm, qemu-system-aarch64\n" +
      "install with: apt-get install --no-install-recommends " +
      "apt bash cpio dpkg git tar npm qemu-system-arm\n",
  });
});

Deno.test("test:kernels names the machines that there are", async () => {
  assertEquals(await run("4.4"), {
    code: 2,
    stderr: 'no machine "4.4"; there are: ' +
      "5.10-amd64, 6.1-amd64, 6.12-amd64, 7-amd64, 6.12-arm64, 7-arm64\n",
  });
});

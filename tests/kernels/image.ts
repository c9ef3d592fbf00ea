/**
 * What a machine boots: its kernel, and one archive in memory with its programs, Deno and the
 * project. The kernel takes several archives in a row as one, so that only what changes between
 * two runs is packed anew.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { denoFor } from "./deno_binary.ts";
import type { Machine } from "./machines.ts";
import { Suite } from "./packages.ts";
import { cached, exists, inTemporaryFolder, run } from "./tools.ts";

/** The project's root folder. */
const ROOT = `${import.meta.dirname}/../../`;

/** What a machine boots, as paths on the host. */
export interface Image {
  readonly kernel: string;
  readonly initramfs: string;
}

/** What the machine's own script and the tests start, and what Deno is linked to. */
const PROGRAMS = [
  ...["bash", "bsdutils", "busybox-static", "coreutils", "dash", "grep", "less", "ncurses-base"],
  ...["libc-bin", "musl", "python3-minimal", "util-linux"],
  ...["gcc", "libc6-dev", "libgcc-s1", "strace"],
  // Assemblers for both architectures.
  ...["binutils-aarch64-linux-gnu", "binutils-x86-64-linux-gnu"],
];

/** Neither needed nor small. */
const EXCLUDED = [
  ...["./usr/share/*", "./var/*", "./usr/lib/*/gconv/*", "./usr/lib/*/perl*"],
  ...["./usr/lib/gcc/*/lto1", "./usr/lib/gcc/*san.*", "./usr/lib/*/lib?san.*"],
];

/** What scripts make that run when a package is installed. Here none do. */
const LINKS = { "usr/bin/sh": "dash", "usr/bin/cc": "gcc" };

/** The users that the tests know of. */
const PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP = "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n";

/** What a suite that still has /bin and /lib next to /usr is made to look like. */
const MERGED = ["bin", "lib", "lib64", "sbin"];

const MOUNT_POINTS = ["dev", "proc", "root", "sys", "tmp"];

/** What an archive made of all that is called, so that a change of it makes a new one. */
const RECIPE = createHash("sha1")
  .update(JSON.stringify([PROGRAMS, EXCLUDED, LINKS, PASSWD, GROUP, MERGED, MOUNT_POINTS]))
  .digest("hex")
  .slice(0, 8);

/** Puts together what a machine needs to boot and to run a shell command in the project. */
export async function makeImage(
  machine: Machine,
  command: string,
  { cache, folder }: { cache: string; folder: string },
): Promise<Image> {
  const kernel = await kernelFor(machine, cache);
  const system = await systemFor(machine, cache);
  const headers = await headersFor(machine, cache);
  const project = `${folder}/project.cpio`;
  await packProject(machine, command, { cache, folder, archive: project });
  const initramfs = `${folder}/initramfs`;
  await run("sh", ["-c", 'cat "$@" > "$0"', initramfs, system, headers, project]);
  return { kernel, initramfs };
}

function kernelFor({ kernelSuite, architecture }: Machine, cache: string): Promise<string> {
  return cached(`${cache}/${kernelSuite}-${architecture}.kernel`, async (unfinished) => {
    const suite = await Suite.open(cache, kernelSuite, architecture);
    await inTemporaryFolder(async (folder) => {
      await suite.unpack(await suite.kernelPackages(), folder, ["*.ko", "*.ko.xz"]);
      // Newer packages have it below /usr, next to the modules.
      const found = await run("find", [folder, "-name", "vmlinuz*", "-type", "f"]);
      await Deno.copyFile(found.trim(), unfinished);
    });
  });
}

/** The archive of all programs but Deno. */
function systemFor({ systemSuite, architecture }: Machine, cache: string): Promise<string> {
  return cached(`${cache}/${systemSuite}-${architecture}-${RECIPE}.cpio`, async (unfinished) => {
    const suite = await Suite.open(cache, systemSuite, architecture);
    await inTemporaryFolder(async (folder) => {
      for (const name of MERGED) {
        await Deno.mkdir(`${folder}/usr/${name}`, { recursive: true });
        await Deno.symlink(`usr/${name}`, `${folder}/${name}`);
      }
      for (const name of MOUNT_POINTS) await Deno.mkdir(`${folder}/${name}`);
      await suite.unpack(await suite.withDependencies(PROGRAMS), folder, EXCLUDED);
      for (const [path, target] of Object.entries(LINKS)) {
        if (!exists(`${folder}/${path}`)) await Deno.symlink(target, `${folder}/${path}`);
      }
      await Deno.mkdir(`${folder}/etc`, { recursive: true });
      await Deno.writeTextFile(`${folder}/etc/passwd`, PASSWD);
      await Deno.writeTextFile(`${folder}/etc/group`, GROUP);
      await pack(folder, unfinished);
    });
  });
}

/** The archive of the kernel's own headers, for the tests that compare what they say. */
function headersFor({ kernelSuite, architecture }: Machine, cache: string): Promise<string> {
  return cached(`${cache}/${kernelSuite}-${architecture}-headers.cpio`, async (unfinished) => {
    const suite = await Suite.open(cache, kernelSuite, architecture);
    await inTemporaryFolder(async (folder) => {
      await suite.unpack(["linux-libc-dev"], folder, EXCLUDED);
      await pack(folder, unfinished);
    });
  });
}

/** The archive of what can change from run to run. */
async function packProject(
  { architecture }: Machine,
  command: string,
  { cache, folder, archive }: { cache: string; folder: string; archive: string },
): Promise<void> {
  const tree = `${folder}/tree`;
  await Deno.mkdir(`${tree}/usr/bin`, { recursive: true });
  await Deno.copyFile(await denoFor(architecture, cache), `${tree}/usr/bin/deno`);
  await Deno.copyFile(`${ROOT}tests/kernels/init.sh`, `${tree}/init`);
  await Deno.chmod(`${tree}/init`, 0o755);
  await Deno.writeTextFile(`${tree}/command`, command);

  const files = await projectFiles();
  await copyFiles(files, ROOT, `${tree}/project`);
  await copyNpmPackages(files, cache, `${tree}/deno`);
  await pack(tree, archive);
}

/** The files of the working tree, those that are not yet committed as well. */
async function projectFiles(): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const text = await run("git", args, { cwd: ROOT });
  return text.split("\n").filter((name) => name !== "" && exists(`${ROOT}${name}`));
}

async function copyFiles(files: readonly string[], from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  await run("cpio", ["--pass-through", "--make-directories", "--quiet", to], {
    cwd: from,
    input: files.join("\n"),
  });
}

/** The npm packages that the tests import, in the form that Deno keeps them in for itself. */
async function copyNpmPackages(
  files: readonly string[],
  cache: string,
  to: string,
): Promise<void> {
  const from = `${cache}/deno`;
  const tests = files.filter((name) => name.endsWith("_test.ts"));
  const args = ["cache", "--quiet", "--import-map=tests/std/import_map.json", ...tests];
  await run(Deno.execPath(), args, { cwd: ROOT, env: { DENO_DIR: from } });
  await Deno.mkdir(to);
  if (exists(`${from}/npm`)) {
    await run("cp", ["--recursive", `${from}/npm`, `${to}/npm`]);
  }
}

/** Packs a folder's content in the one form of archive that kernels unpack. */
async function pack(folder: string, archive: string): Promise<void> {
  const script = 'find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet > "$0"';
  await run("bash", ["-o", "pipefail", "-c", script, archive], { cwd: folder });
}

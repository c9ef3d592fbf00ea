/**
 * libc where it isn't in the usual place, and another one.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { isRoot, ROOT, runForValue } from "../support/processes.ts";
import { canRun, needing } from "../support/skip.ts";

const ARCH = Deno.build.arch;
const LOADER = ARCH === "x86_64" ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1";

/** The libraries that a program is linked with, but for the loader. */
function librariesOf(path: string): string[] {
  const { stdout } = new Deno.Command("ldd", { args: [path] }).outputSync();
  return [...new TextDecoder().decode(stdout).matchAll(/=> (\/\S+)/g)].map(([, path]) => path);
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** A root folder with Deno, a GNU C library in a folder that no loader knows, and this library. */
function makeRoot(root: string, libraries: string): void {
  for (const folder of ["bin", "tmp", libraries]) {
    Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  Deno.copyFileSync(Deno.execPath(), `${root}/bin/deno`);
  for (const path of librariesOf(Deno.execPath())) {
    Deno.copyFileSync(path, `${root}${libraries}/${path.slice(path.lastIndexOf("/") + 1)}`);
  }
  Deno.mkdirSync(`${root}${LOADER.slice(0, LOADER.lastIndexOf("/"))}`, { recursive: true });
  Deno.copyFileSync(LOADER, `${root}${LOADER}`);
  for (const floor of ["ffi", "ipc", "pidfd", "process", "structs"]) {
    copyFolder(fromFileUrl(new URL(`../../${floor}`, import.meta.url)), `${root}/${floor}`);
  }
  Deno.copyFileSync(`${ROOT}mod.ts`, `${root}/mod.ts`);
  Deno.writeTextFileSync(
    `${root}/program.ts`,
    `import { PidFd, spawn } from "./mod.ts";
    PidFd.fromSelf().sendSignal(0);
    console.log((await spawn("/bin/deno", ["--version"], { stdout: "piped" }).output()).code);`,
  );
}

Deno.test(
  needing(
    "root, chroot and ldd",
    isRoot && canRun("/usr/sbin/chroot", ["/", "/bin/true"]) && canRun("ldd", ["--version"]),
    "libc is found in a folder of an image's own, with a permission for that alone, too",
  ),
  () => {
    const libraries = "/usr/local/lib";
    const root = Deno.makeTempDirSync();
    try {
      makeRoot(root, libraries);
      for (const flag of ["--allow-ffi", `--allow-ffi=${libraries}/libc.so.6`]) {
        const { code, stdout, stderr } = new Deno.Command("/usr/sbin/chroot", {
          args: [root, "/bin/deno", "run", "--no-check", flag, "/program.ts"],
          env: { HOME: "/tmp", LD_LIBRARY_PATH: libraries, DENO_NO_UPDATE_CHECK: "1" },
          clearEnv: true,
        }).outputSync();
        const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
        assertEquals([code, text(stdout), text(stderr)], [0, "0\n", ""]);
      }
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  },
);

const MUSL = `/lib/ld-musl-${ARCH}.so.1`;

Deno.test(
  needing(
    `musl (${MUSL}) and readelf`,
    canRun("readelf", ["--dyn-syms", MUSL]),
    "musl has every function that is opened",
  ),
  async () => {
    const wanted = await runForValue(`
      const { dlopen } = Deno;
      const names = [];
      Deno.dlopen = (path, table) => {
        names.push(...Object.entries(table).map(([key, { name = key }]) => name));
        return dlopen(path, table);
      };
      const { features } = await import("@pidfd/util");
      features();
      console.log(JSON.stringify([...new Set(names)]));
    `) as string[];
    const { stdout } = new Deno.Command("readelf", { args: ["--dyn-syms", "-W", MUSL] })
      .outputSync();
    const there = new Set(
      new TextDecoder().decode(stdout).split("\n").map((line) => line.trim().split(/\s+/)[7]),
    );
    assertGreater(wanted.length, 40);
    assertEquals(wanted.filter((name) => !there.has(name)), []);
  },
);

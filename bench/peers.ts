/**
 * Who is measured: how each peer is built and run.
 *
 * @module
 */

import { build as buildPackage } from "../release/build.ts";

/** A program that takes measures, or one of several ways that a program takes them in. */
export interface Peer {
  readonly id: string;
  readonly title: string;
  /** Its folder in bench/peers; what is built of it has the same name. */
  readonly folder: string;
  /** How the tool that it needs tells its version. */
  readonly tool: readonly string[];
  /** Builds what is in the folder. */
  readonly make?: (build: string) => Promise<void>;
  /** The command, to which the measure and its numbers are added. */
  readonly command: (build: string) => readonly string[];
  /** For the measure "start". */
  readonly start?: (build: string) => StartCommands;
}

/** Programs that do one thing each. */
export interface StartCommands {
  readonly empty: readonly string[];
  /** A first call: a handle on itself, and signal 0. */
  readonly first: readonly string[];
  /** Starts `/bin/true`, and waits for it. */
  readonly spawn?: readonly string[];
  /** A reference to process 1 from the command line; with Deno alone, nothing. */
  readonly command?: readonly string[];
}

/** The one that all others are compared with. */
export const OURS = "ours";
/** The same as it is published, in one file. */
export const PACKAGE = "package";
/** The limit. */
export const LIMIT = "c";

/** What a peer exits with that doesn't take a measure. */
export const NOT_TAKEN = 64;

export const PEERS: readonly Peer[] = [
  deno(OURS, "@pidfd/util", "--allow-ffi"),
  {
    id: PACKAGE,
    title: "@pidfd/util, as published",
    folder: PACKAGE,
    tool: [Deno.execPath(), "--version"],
    async make(build) {
      const folder = new URL(`file://${build}/dist/`);
      await buildPackage(folder);
      for (const name of ["start", "spawn"]) {
        const program = await Deno.readTextFile(source(`${OURS}/${name}.ts`));
        const changed = program.replace("../../../mod.ts", "./dist/mod.js");
        await Deno.writeTextFile(`${build}/${name}.ts`, changed);
      }
    },
    // It differs in nothing else.
    command: () => ["sh", "-c", `exit ${NOT_TAKEN}`],
    start: (build) => {
      const run = [Deno.execPath(), "run", "--no-check", "--allow-ffi"];
      return {
        empty: [...run, source("empty.ts")],
        first: [...run, `${build}/start.ts`],
        spawn: [...run, `${build}/spawn.ts`],
        command: [...run, `${build}/dist/cli.js`, "ref", "1"],
      };
    },
  },
  {
    id: LIMIT,
    title: "C",
    folder: "c",
    tool: ["cc", "--version"],
    make: (build) => compileC(source("c/main.c"), `${build}/main`),
    command: (build) => [`${build}/main`],
    start: nativeStart,
  },
  // What the crates cost at the start is the same for all: one is enough.
  { ...rust("rustix", "Rust, rustix"), start: nativeStart },
  rust("tokio", "Rust, tokio::process"),
  rust("async-pidfd", "Rust, async-pidfd"),
  rust("pidfd", "Rust, pidfd"),
  rust("pidfd-util", "Rust, pidfd-util"),
  {
    id: "go",
    title: "Go, os/exec",
    folder: "go",
    tool: ["go", "version"],
    make: (build) => run(["go", "build", "-o", `${build}/main`, "."], source("go")),
    command: (build) => [`${build}/main`],
    start: nativeStart,
  },
  {
    ...python("pidfd", "Python, os.pidfd_open"),
    start: (build) => ({
      empty: [`${build}/python`, "-c", "pass"],
      first: [`${build}/python`, source("python/start.py")],
    }),
  },
  python("asyncio", "Python, asyncio"),
  python("subprocess", "Python, subprocess"),
  python("socket", "Python, socket"),
  {
    id: "node",
    title: "Node.js, child_process",
    folder: "node",
    tool: ["node", "--version"],
    command: () => ["node", "--expose-gc", source("node/main.mjs")],
    start: () => ({
      empty: ["node", source("node/empty.mjs")],
      first: ["node", source("node/start.mjs")],
    }),
  },
  {
    id: "node-net",
    title: "Node.js, net",
    folder: "node",
    tool: ["node", "--version"],
    command: () => ["node", source("node/net.mjs")],
  },
  {
    id: "deno-net",
    title: "Deno, node:net",
    folder: "deno_net",
    tool: [Deno.execPath(), "--version"],
    command: () => [Deno.execPath(), "run", "--no-check", "--allow-all", source("node/net.mjs")],
  },
  deno("deno_command", "Deno.Command", "--allow-run", {
    spawn: [Deno.execPath(), "run", "--no-check", "--allow-run", source("deno_command/spawn.ts")],
    command: [Deno.execPath(), "eval", ""],
  }),
  deno("naive", "naive Deno FFI", "--allow-ffi"),
];

/** Builds the programs that peers are measured with: see bench/helpers. */
export async function makeHelpers(build: string): Promise<void> {
  for (const name of ["hold", "herd", "partner", "writer"]) {
    const from = new URL(`helpers/${name}.c`, import.meta.url).pathname;
    await compileC(from, `${build}/${name}`, "-static");
  }
}

/** The first line of what the peer's tool says of itself; null where there is no such tool. */
export async function toolVersion({ tool: [name, ...args] }: Peer): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(name, { args }).output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0] : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function deno(id: string, title: string, permission: string, start?: Partial<StartCommands>): Peer {
  const program = Deno.execPath();
  const all = ["--allow-all", "--v8-flags=--expose-gc"];
  return {
    id,
    title,
    folder: id,
    tool: [program, "--version"],
    command: () => [program, "run", "--no-check", ...all, source(`${id}/main.ts`)],
    start: () => ({
      empty: [program, "run", "--no-check", permission, source("empty.ts")],
      first: [program, "run", "--no-check", permission, source(`${id}/start.ts`)],
      ...start,
    }),
  };
}

/** One program for all crates. Its first argument tells which is meant. */
function rust(crate: string, title: string): Peer {
  return {
    id: `rust-${crate}`,
    title,
    folder: "rust",
    tool: ["cargo", "--version"],
    async make(build) {
      const options = ["--quiet", "--release", "--locked", "--target-dir", build];
      await run(["cargo", "build", ...options], source("rust"));
      await Deno.copyFile(`${build}/release/pidfd-bench`, `${build}/main`);
    },
    command: (build) => [`${build}/main`, crate],
  };
}

function python(way: string, title: string): Peer {
  return {
    id: `python-${way}`,
    title,
    folder: "python",
    tool: ["python3", "--version"],
    async make(build) {
      // The interpreter itself, as what is in the PATH can be a script that looks for it.
      const link = `${build}/python`;
      await Deno.remove(link).catch(() => {});
      await run(["python3", "-c", "import os, sys; os.symlink(sys.executable, sys.argv[1])", link]);
    },
    command: (build) => [`${build}/python`, source("python/main.py"), way],
  };
}

function nativeStart(build: string): StartCommands {
  return { empty: [`${build}/main`, "empty"], first: [`${build}/main`, "start"] };
}

function source(path: string): string {
  return new URL(`peers/${path}`, import.meta.url).pathname;
}

async function compileC(from: string, to: string, ...options: string[]): Promise<void> {
  await run(["cc", "-O2", ...options, "-o", to, from]);
}

async function run([name, ...args]: string[], cwd?: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args, cwd }).output();
  if (!success) throw new Error(`${name} failed:\n${new TextDecoder().decode(stderr)}`);
}

/**
 * Runs the tests on the kernels that they were made for, in emulated machines:
 *
 * ```sh
 * deno task test:kernels                      # on all of them, which takes hours
 * deno task test:kernels 5.10 6.12-arm64      # on some, by version, architecture or both
 * deno task test:kernels 6.12 -- tests/ffi/   # all that follows goes to `deno task test`
 * deno task test:kernels 6.12 --user          # not as root, but as an ordinary user
 * ```
 *
 * The machines' kernels and programs are Debian's. They are fetched once, and kept in the
 * folder `pidfd-kernels` of the user's cache: without that folder, the newest are fetched again.
 *
 * @module
 */

import type { About } from "./about.ts";
import { boot, emulatorOf } from "./boot.ts";
import { makeImage } from "./image.ts";
import { type Machine, nameOf, select } from "./machines.ts";
import { HostError, inTemporaryFolder, requireTools } from "./tools.ts";
import { fault, isSummary, type Result, verdict } from "./verdict.ts";

/** How long the tests may take on one machine. They need a small part of that. */
const LIMIT = 2 * 60 * 60 * 1000;

/** How long a test may wait for what must come, in seconds: emulated machines are slow. */
const PATIENCE = 600;

/** The shell command that a machine runs. */
function commandFor(testArguments: readonly string[], asUser: boolean): string {
  const quoted = testArguments.map((argument) => `'${argument.replaceAll("'", `'\\''`)}'`);
  // Types are the same on all kernels, and to check them takes longer than all the tests.
  const options = testArguments.includes("--") ? ["--no-check"] : ["--", "--no-check"];
  // By its path: a shell of busybox has a setpriv of its own, with fewer options.
  const prefix = asUser
    ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    : [];
  return [
    "set -e",
    `export HOME=/tmp DENO_DIR=/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1 PATIENCE=${PATIENCE}`,
    ...asUser ? ["chown -R 65534:65534 /deno /project"] : [],
    "deno run --no-check --allow-all tests/kernels/about.ts",
    ["exec", ...prefix, "deno", "task", "test", ...quoted, ...options].join(" "),
    "",
  ].join("\n");
}

/** Where kernels and programs are kept from run to run. */
function cacheFolder(): string {
  const caches = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return `${caches}/pidfd-kernels`;
}

function runTests(
  machine: Machine,
  command: string,
  asRoot: boolean,
  cache: string,
): Promise<Result> {
  return inTemporaryFolder(async (folder) => {
    const image = await makeImage(machine, command, { cache, folder });
    let about: About | undefined;
    let summary: string | undefined;
    const outcome = await boot(machine, image, LIMIT, (line) => {
      console.log(line);
      if (line.startsWith("about: ")) about = JSON.parse(line.slice("about: ".length));
      else if (isSummary(line)) summary = line;
    });
    return { machine, asRoot, outcome, about, summary };
  });
}

/** A table of what the library found on each machine, in Markdown. */
function featureTable(abouts: readonly About[]): string {
  const rows = [
    ["", ...abouts.map(({ kernel, architecture }) => `${kernel} ${architecture}`)],
    ["---", ...abouts.map(() => "---")],
    ["libc", ...abouts.map(({ libc }) => libc)],
    ...Object.keys(abouts[0].features).map((name) => [
      name,
      ...abouts.map(({ features }) => String(features[name as keyof typeof features])),
    ]),
  ];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

async function main(args: readonly string[]): Promise<boolean> {
  const separator = args.includes("--") ? args.indexOf("--") : args.length;
  const own = args.slice(0, separator);
  const machines = select(own.filter((argument) => argument !== "--user"));
  const tools = ["apt-get", "bash", "cpio", "dpkg-deb", "git", "tar"];
  if (machines.some(({ architecture }) => architecture === "arm64")) tools.push("npm");
  requireTools(...tools, ...new Set(machines.map(emulatorOf)));

  const cache = cacheFolder();
  await Deno.mkdir(cache, { recursive: true });
  const asUser = own.includes("--user");
  const command = commandFor(args.slice(separator + 1), asUser);
  const results: Result[] = [];
  for (const machine of machines) {
    console.log(`\n== ${nameOf(machine)}`);
    results.push(await runTests(machine, command, !asUser, cache));
  }
  const abouts = results.flatMap(({ about }) => about ?? []);
  if (abouts.length > 0) console.log(`\n${featureTable(abouts)}`);
  console.log();
  for (const result of results) console.log(`${nameOf(result.machine)} ${verdict(result)}`);
  return results.every((result) => fault(result) === null);
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args) ? 0 : 1);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

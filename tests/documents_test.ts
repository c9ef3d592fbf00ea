/**
 * What the documents say that a program can check: links, files, tasks, tables and figures.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { COMMANDS } from "../cli/commands.ts";
import config from "../deno.json" with { type: "json" };
import { machineCode } from "../ffi/machine_code.ts";
import { features, PidFd } from "../mod.ts";
import { isAbsolute, REPOSITORY, targetsOf, withAbsoluteLinks } from "../release/links.ts";
import { ROOT } from "./support/processes.ts";

const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
const ALL = [...DOCUMENTS, "bench/RESULTS.md", "bench/NOTES.md"];

/** What a build makes, and is in no repository. */
const MADE = ["dist/"];

/** The sites that documents may link to. Whether a page is there can't be tried without a network. */
const SITES = ["https://man7.org/linux/man-pages/", "https://deno.com", "https://semver.org"];

function read(name: string): string {
  return Deno.readTextFileSync(`${ROOT}${name}`);
}

/** Whether a file or folder of the repository is there; a folder has a slash at its end. */
function isThere(path: string): boolean {
  try {
    return Deno.statSync(`${ROOT}${path}`).isDirectory === path.endsWith("/");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The text below a heading. */
function section(name: string, heading: string): string {
  const [, text] = read(name).split(`\n## ${heading}\n`);
  assert(text !== undefined, heading);
  return text.split("\n## ")[0];
}

/** The rows of the first table that has a cell with this text in its head. */
function rowsOf(text: string, head: string): string[][] {
  const tables = text.trim().split("\n\n").filter((part) => part.startsWith("|"));
  const table = tables.find((part) => part.split("\n")[0].includes(head));
  assert(table !== undefined, head);
  const rows = table.trim().split("\n").slice(2);
  // A bar within a code span has a backslash in front.
  return rows.map((row) => row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()));
}

/** The code spans of a text. */
function codeOf(text: string): string[] {
  return [...text.replace(/^```.*?^```$/gms, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

/** A heading as a forge makes an anchor of it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\d\s_-]/gu, "").replaceAll(" ", "-");
}

for (const name of ALL) {
  Deno.test(`${name}: each link leads somewhere`, () => {
    const text = read(name);
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));
    const folder = dirname(name) === "." ? "" : `${dirname(name)}/`;
    const isDead = (target: string) => {
      if (target.startsWith("#")) return !anchors.includes(target.slice(1));
      if (isAbsolute(target)) return !SITES.some((site) => target.startsWith(site));
      return target !== "./" && !isThere(`${folder}${target}`);
    };
    assertEquals(targetsOf(text).filter(isDead), []);
  });
}

for (const name of DOCUMENTS) {
  Deno.test(`${name}: each file that it names is there, by its whole path`, () => {
    const isFile = /^\.?[\w-]+(\/[\w.-]+)*(\/|\.(ts|md|json|svg|yml|sh))$/;
    const named = codeOf(read(name)).filter((code) => isFile.test(code) && !MADE.includes(code));
    assertEquals(named.filter((path) => !isThere(path)), []);
  });

  Deno.test(`${name}: each task that it names is one`, () => {
    const named = [...read(name).matchAll(/(?:deno|"deno@[^"]*") task ([\w:]+)/g)];
    assertEquals(named.map(([, task]) => task).filter((task) => !(task in config.tasks)), []);
  });
}

Deno.test("The package's documents link to the repository, at the version's tag", () => {
  const text = "[a](ffi/) ![b](b/c.svg) [d](d.md) [e](./) [f](https://deno.com) [g](#top)";
  assertEquals(
    withAbsoluteLinks(text, "1.2.3"),
    `[a](${REPOSITORY}/tree/v1.2.3/ffi) ![b](${REPOSITORY}/raw/v1.2.3/b/c.svg) ` +
      `[d](${REPOSITORY}/blob/v1.2.3/d.md) [e](${REPOSITORY}/tree/v1.2.3) ` +
      "[f](https://deno.com) [g](#top)",
  );
});

Deno.test("README has all examples, and none is longer than 120 lines", () => {
  const names = [...Deno.readDirSync(`${ROOT}examples`)].map(({ name }) => name);
  const rows = rowsOf(section("README.md", "Examples"), "example");
  const linked = rows.map(([cell]) => /^\[(.*)\]\(examples\/\1\)$/.exec(cell)?.[1]);
  assertEquals(linked.sort(), names.sort());
  for (const name of names) {
    assertLessOrEqual(read(`examples/${name}`).trimEnd().split("\n").length, 120, name);
  }
});

Deno.test("README has all commands of pidfd", () => {
  const rows = rowsOf(section("README.md", "The command"), "command");
  const named = rows.flatMap(([cell]) =>
    [...cell.matchAll(/`pidfd (\w+)/g)].map(([, name]) => name)
  );
  assertEquals(named.sort(), Object.keys(COMMANDS).sort());
});

Deno.test("README has each of features() once", () => {
  const rows = rowsOf(section("README.md", "Kernels"), "5.10");
  const named = rows.flatMap(([cell]) => codeOf(cell));
  assertEquals(named.sort(), Object.keys(features()).sort());
});

Deno.test("README names the Deno that all is tested with", () => {
  const rows = rowsOf(section("README.md", "Versions"), "tested");
  const [, , tested] = rows.find(([name]) => name === "Deno")!;
  assert(tested.split(/[ ,;]+/).includes(read(".dvmrc").trim()), tested);
});

/** README's blocks that its own run leaves out, by the text in front of them. */
function ignoredBlock(before: string): string {
  const [, text] = read("README.md").split(before);
  const match = /^```ts ignore\n(.*?)^```/ms.exec(text);
  assert(match !== null, before);
  return match[1];
}

const TEST = "## In your tests";
const BACKGROUND = "**Start a child in the background.**";
const OOM = "**Was it the OOM killer?**";

/** Runs Deno on a file with this text, with the module by its name. */
async function denoOn(code: string, ...args: string[]): Promise<string> {
  const file = Deno.makeTempFileSync({ suffix: "_test.ts" });
  try {
    Deno.writeTextFileSync(file, code);
    const command = new Deno.Command(Deno.execPath(), {
      args: [...args, `--import-map=${ROOT}tests/std/import_map.json`, file],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    });
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder();
    assert(success, text.decode(stdout) + text.decode(stderr));
    return text.decode(stdout);
  } finally {
    Deno.removeSync(file);
  }
}

Deno.test("README's test passes with sanitizers on", async () => {
  const options = ["--no-check", "--allow-ffi", "--sanitize-ops", "--sanitize-resources"];
  assertStringIncludes(await denoOn(ignoredBlock(TEST), "test", ...options), "1 passed");
});

Deno.test("README's child in the background outlives its program", async () => {
  const program = ignoredBlock(BACKGROUND);
  using child = PidFd.fromPid(Number(await denoOn(program, "run", "--no-check", "--allow-ffi")));
  assert(child.isAlive());
  child.kill();
  await child.exited();
});

Deno.test("README's blocks that no test can run have no wrong type, and there is no other", async () => {
  await denoOn(ignoredBlock(OOM), "check");
  assertEquals(
    read("README.md").split("```ts ignore\n").length - 1,
    [TEST, BACKGROUND, OOM].length,
  );
});

Deno.test("SECURITY tells how long the machine code is", () => {
  const found = /(\d+) bytes of machine code \(arm64: (\d+)\)/.exec(read("SECURITY.md"));
  const lengths = [machineCode("x86_64"), machineCode("aarch64")].map((code) => code.length);
  assertEquals(found?.slice(1).map(Number), lengths);
});

type Medians = Record<string, Record<string, { median: number }>>;

/** README's rows: the measure, the case and the number in bench/results.json. */
const FIGURES: Record<string, [measure: string, of: string, number: string]> = {
  "Signal 0, ns": ["call", "all", "signal0"],
  "From a kill to the resolved wait, µs": ["latency", "1", "p50"],
  "`/bin/true`, one after another, a second": ["spawn", "1", "perSecond"],
  "Reading a child's output, MiB/s": ["throughput", "64K", "MiBps"],
  "Threads for 10,000 waits": ["scale", "10000", "threads"],
  "To end 10,000 waits, µs each": ["scale", "10000", "complete"],
  "Import and first call, ms more than an empty program": ["start", "all", "over"],
};

/** What bench/results.json has of a measure, by peer, in order. */
function measured(peers: string[], [measure, of, number]: [string, string, string]): string[] {
  const { measures } = JSON.parse(read("bench/results.json"));
  const { cases } = measures.find(({ id }: { id: string }) => id === measure);
  const medians: Medians = cases.find(({ id }: { id: string }) => id === of).peers;
  return peers.map((peer) => Math.round(medians[peer][number].median).toLocaleString("en"));
}

Deno.test("README's figures are those of the benchmark", () => {
  const peers = ["ours", "deno_command", "node", "go", "c"];
  const rows = rowsOf(section("README.md", "Speed"), "Deno.Command");
  const expected = Object.entries(FIGURES).map(([title, at]) => [title, ...measured(peers, at)]);
  assertEquals(rows, expected);

  const compared = rowsOf(section("README.md", "Compared"), "Deno.Command");
  const start = compared.find(([title]) => title === "`/bin/true` started and awaited, a second")!;
  assertEquals(
    [start[1], start[2], start[3], start[6]],
    measured(["ours", "deno_command", "node", "python-subprocess"], ["spawn", "1", "perSecond"]),
  );
});

/**
 * The benchmark: this library against everything that a user could take instead.
 *
 *     deno task bench [--only MEASURE,…] [--peers PEER,…] [--rounds N] [--quick]
 *
 * Builds the peers, runs them in turn, prints the tables, and writes results.json, RESULTS.md and
 * the pictures beside this file. What only a part was measured of, or quickly, is written to
 * the cache folder, where the peers are built, too.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeMachine } from "./machine.ts";
import { type Builds, takeAll } from "./measurements.ts";
import { allMeasures } from "./measures.ts";
import { makeHelpers, type Peer, PEERS, toolVersion } from "./peers.ts";
import { measureModule } from "./module_size.ts";
import { drawPictures } from "./pictures.ts";
import { asData, asMarkdown, type Run, sections } from "./report.ts";

const HERE = new URL(".", import.meta.url).pathname;

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    peers: { type: "string" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
const { quick } = options;
const rounds = Number(options.rounds ?? (quick ? 2 : 5));
const measures = choose("measure", allMeasures(quick), options.only);
const wanted = choose("peer", PEERS, options.peers);

const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
const cache = `${home}/pidfd-bench`;
const builds: Builds = { helpers: `${cache}/helpers`, of: ({ folder }) => `${cache}/${folder}` };
const built = await build(wanted);
const machine = describeMachine();
const results = await takeAll(measures, built.peers, rounds, builds);
const run: Run = { measures, results, rounds, machine, module: await measureModule(), ...built };

const whole = !quick && options.only === undefined && options.peers === undefined;
await write(whole ? HERE : `${cache}/results/`);
console.log(sections(run).join("\n\n"));

/** Writes all that comes out of it into a folder. */
async function write(folder: string): Promise<void> {
  const pictures = await drawPictures(run);
  await Deno.mkdir(`${folder}pictures`, { recursive: true });
  for (const [id, svg] of pictures) {
    await Deno.writeTextFile(`${folder}pictures/${id}.svg`, `${svg}\n`);
  }
  const notes = await Deno.readTextFile(`${HERE}NOTES.md`);
  await Deno.writeTextFile(`${folder}RESULTS.md`, asMarkdown(run, notes));
  await Deno.writeTextFile(`${folder}results.json`, JSON.stringify(asData(run)));
  const args = ["fmt", "--quiet", "RESULTS.md", "results.json", "pictures"];
  await new Deno.Command(Deno.execPath(), { args, cwd: folder }).output();
  console.log(`Written to ${folder}\n`);
}

/** Those with the named ids; all where none is named. */
function choose<T extends { id: string }>(kind: string, all: readonly T[], ids?: string): T[] {
  const chosen = ids?.split(",") ?? all.map(({ id }) => id);
  return chosen.map((id) => {
    const found = all.find((one) => one.id === id);
    if (found) return found;
    throw new RangeError(`there is no ${kind} ${id}, but ${all.map(({ id }) => id).join(", ")}`);
  });
}

/** Builds what can be built. Who has no toolchain is left out, and named. */
async function build(wanted: readonly Peer[]) {
  await Deno.mkdir(builds.helpers, { recursive: true });
  await makeHelpers(builds.helpers);
  const peers: Peer[] = [];
  const versions: Record<string, string> = {};
  const leftOut: Record<string, string> = {};
  const made = new Set<string>();
  for (const peer of wanted) {
    const version = await toolVersion(peer);
    if (version === null) {
      leftOut[peer.title] = `there is no ${peer.tool[0]}`;
      continue;
    }
    versions[peer.folder] = version;
    peers.push(peer);
    if (made.has(peer.folder)) continue;
    made.add(peer.folder);
    await Deno.mkdir(builds.of(peer), { recursive: true });
    await peer.make?.(builds.of(peer));
  }
  return { peers, versions, leftOut };
}

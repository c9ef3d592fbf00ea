/**
 * The results in words: tables in Markdown, for the terminal and for RESULTS.md.
 *
 * @module
 */

import { ratioOf, spreadAt } from "./comparison.ts";
import type { Machine } from "./machine.ts";
import type { CaseResults, Results } from "./measurements.ts";
import type { Case, Measure } from "./measures.ts";
import type { ModuleSize } from "./module_size.ts";
import { OURS, type Peer } from "./peers.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { TARGETS, verdict } from "./targets.ts";

/** A run of the benchmark, and what there is to know of it. */
export interface Run {
  readonly measures: readonly Measure[];
  readonly peers: readonly Peer[];
  readonly results: Results;
  readonly rounds: number;
  readonly machine: Machine;
  readonly module: ModuleSize;
  /** What the peers' tools say of themselves, by the peer's folder. */
  readonly versions: Record<string, string>;
  /** Why a peer isn't there, by its title. */
  readonly leftOut: Record<string, string>;
}

/** RESULTS.md. The notes are what a person has to say, in Markdown. */
export function asMarkdown(run: Run, notes: string): string {
  const { machine, rounds, versions } = run;
  const { processor, cores, memory, kernel, date, load } = machine;
  const tools = Object.entries(versions).map(([folder, version]) => `- ${folder}: ${version}`);
  return [
    "# Results",
    "Written by `deno task bench`, apart from the last part, which is [NOTES.md](NOTES.md).",
    `${date}; Linux ${kernel}; ${cores} cores of ${processor}, ${memory}; load average at the ` +
    `beginning ${load.toFixed(2)}. Every peer in turn, ${rounds} rounds. Each number is the ` +
    "median of the rounds, in brackets the quartiles. Ratios are made within each round. " +
    "Only they mean something on another machine.",
    ...sections(run, ({ id, title }) => `![${title}](pictures/${id}.svg)`),
    `## Versions\n\n${tools.join("\n")}`,
    notes.trim(),
  ].join("\n\n") + "\n";
}

/** The targets, the measures, and who is missing. */
export function sections(run: Run, picture?: (measure: Measure) => string): string[] {
  const { measures, module, leftOut } = run;
  const missing = Object.entries(leftOut).map(([title, reason]) => `- ${title}: ${reason}`);
  const size = `The module is ${module.files} files, ${number(module.bytes / 1024)} KiB as source.`;
  return [
    `## Targets\n\n${targetTable(run)}`,
    ...measures.flatMap((measure) => [
      `## ${measure.title}`,
      measure.about,
      ...(measure.id === "start" ? [size] : []),
      ...(picture ? [picture(measure)] : []),
      ...measure.cases.flatMap((one) => [
        ...(measure.cases.length > 1 ? [`### ${measure.title}: ${one.title}`] : []),
        caseTables(run, measure, one),
      ]),
    ]),
    ...(missing.length > 0 ? [`## Left out\n\n${missing.join("\n")}`] : []),
  ];
}

/** The targets that this run has something to say about. */
function targetTable({ results }: Run): string {
  const rows = TARGETS.flatMap((target) => {
    const actual = target.actual(results);
    if (actual === undefined) return [];
    const sign = target.atMost ? "≤" : "≥";
    return [[
      target.title,
      `${sign} ${target.bound}`,
      show(actual),
      verdict(target, actual.median),
    ]];
  });
  return table(["target", "bound", "measured", ""], rows);
}

/** The figures of one case, and behind them ours divided by each peer's. */
function caseTables(run: Run, measure: Measure, one: Case): string {
  const { peers, results } = run;
  const { figures, failures } = results[measure.id][one.id];
  const place = (peer: Peer, figure: string) => ({
    measure: measure.id,
    case: one.id,
    figure,
    peer: peer.id,
  });
  const shown = measure.figures.filter(({ id }) =>
    peers.some((peer) => figures[peer.id]?.[id] !== undefined)
  );
  const measured = peers.filter(({ id }) => figures[id] !== undefined);
  const medians = table(
    ["", ...shown.map(({ title }) => title)],
    measured.map((peer) => [
      peer.title,
      ...shown.map(({ id }) => show(spreadAt(results, place(peer, id)))),
    ]),
  );
  const compared = shown.filter(({ better }) => better !== undefined);
  const [us] = peers.filter(({ id }) => id === OURS);
  const ratios = us === undefined || compared.length === 0 ? "" : table(
    [`${us.title} ÷ …`, ...compared.map(({ title, better }) => `${title} (${better} is better)`)],
    measured.filter(({ id }) => id !== OURS).map((peer) => [
      peer.title,
      ...compared.map(({ id }) => show(ratioOf(results, place(us, id), place(peer, id)))),
    ]).filter((row) => row.some((cell, column) => column > 0 && cell !== "–")),
  );
  const failed = peers.filter(({ id }) => failures[id] !== undefined)
    .map(({ id, title }) => `- ${title}: ${failures[id]}`);
  return [medians, ratios, failed.join("\n")].filter((part) => part !== "").join("\n\n");
}

/** The middle of all rounds, and in brackets what the middle half of them lies between, if they differ. */
function show(spread: Spread | undefined): string {
  if (spread === undefined) return "–";
  const { median, low, high } = spread;
  if (low === high) return number(median);
  return `${number(median)} (${number(low)}–${number(high)})`;
}

/** Three digits that count. */
function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function table(head: string[], rows: string[][]): string {
  const widths = head.map((_, i) =>
    Math.max(...[head, ...rows].map((row) => [...row[i]].length), 3)
  );
  const line = (cells: string[]) =>
    `| ${
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(
        " | ",
      )
    } |`;
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** All rounds and their spreads, for programs. */
export function asData({ measures, peers: _, results, ...facts }: Run) {
  const spreads = (figures: CaseResults["figures"][string]) =>
    mapValues(figures, (rounds) => ({ ...spreadOf(rounds), rounds }));
  return {
    ...facts,
    measures: measures.map(({ id, title, cases }) => ({
      id,
      title,
      cases: cases.map((one) => {
        const { figures, failures } = results[id][one.id];
        return { id: one.id, title: one.title, peers: mapValues(figures, spreads), failures };
      }),
    })),
  };
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

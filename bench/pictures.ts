/**
 * The results as pictures, drawn by Vega-Lite.
 *
 * @module
 */

// Not in deno.json: Deno would fetch all that is there for every program that it runs.
// deno-lint-ignore-file no-import-prefix
import { parse, View } from "npm:vega@^6.4.0";
import { compile, type TopLevelSpec } from "npm:vega-lite@^6.5.0";
import { spreadAt } from "./comparison.ts";
import type { Measure } from "./measures.ts";
import { OURS } from "./peers.ts";
import type { Run } from "./report.ts";

/** One mark in a picture. */
interface Point {
  readonly panel: string;
  readonly peer: string;
  readonly ours: boolean;
  /** How many waits it was, where that makes a line. */
  readonly size: number;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Which figures of a measure are drawn, and how. */
const PICTURES: Record<string, { figures: string[]; draw: (points: Point[]) => Panel[] }> = {
  call: { figures: ["signal0", "getInfo", "tryWait", "openClose", "isAlive"], draw: bars },
  latency: { figures: ["p50", "p90", "p99"], draw: bars },
  latencyStatus: { figures: ["p50", "p90", "p99"], draw: bars },
  latencyExited: { figures: ["p50", "p90", "p99"], draw: bars },
  looks: { figures: ["looks"], draw: bars },
  spawn: { figures: ["perSecond"], draw: bars },
  throughput: { figures: ["MiBps"], draw: bars },
  scale: { figures: ["register", "complete"], draw: lines },
  messages: { figures: ["roundTrip", "send", "receive"], draw: bars },
  start: { figures: ["over"], draw: bars },
};

type Panel = TopLevelSpec & { title: string };

const CONFIG = {
  background: "white",
  axis: { gridOpacity: 0.4 },
  legend: { labelLimit: 240 },
  title: { anchor: "start" },
  view: { stroke: null },
};
const OURS_COLOUR = "#d1495b";
const THEIR_COLOUR = "#8d99ae";

const LOGARITHMIC = { type: "log", nice: false } as const;

/** SVG by the measure's id. */
export async function drawPictures(run: Run): Promise<Map<string, string>> {
  const pictures = new Map<string, string>();
  for (const measure of run.measures) {
    const { figures, draw } = PICTURES[measure.id];
    const concat = draw(pointsOf(run, measure, figures));
    const spec = { title: measure.title, config: CONFIG, columns: 2, concat } as TopLevelSpec;
    const view = new View(parse(compile(spec).spec), { renderer: "none" });
    pictures.set(measure.id, await view.toSVG());
    view.finalize();
  }
  return pictures;
}

function pointsOf({ peers, results }: Run, measure: Measure, figures: string[]): Point[] {
  const severalCases = measure.cases.length > 1;
  return measure.cases.flatMap((one) =>
    measure.figures.filter(({ id }) => figures.includes(id)).flatMap((figure) =>
      peers.flatMap(({ id, title }) => {
        const place = { measure: measure.id, case: one.id, figure: figure.id, peer: id };
        const spread = spreadAt(results, place);
        if (spread === undefined) return [];
        const panel = severalCases ? `${one.title}: ${figure.title}` : figure.title;
        return [{ panel, peer: title, ours: id === OURS, size: one.numbers[0], ...spread }];
      })
    )
  );
}

/** A panel for each case and figure, with a bar for each peer, and its spread. */
function bars(points: Point[]): Panel[] {
  return Object.entries(Object.groupBy(points, ({ panel }) => panel)).map(([title, values]) => ({
    title,
    data: { values: values! },
    width: 300,
    encoding: { y: { field: "peer", type: "nominal", title: null, sort: null } },
    layer: [
      {
        mark: "bar",
        encoding: {
          x: { field: "median", type: "quantitative", title: null },
          color: {
            condition: { test: "datum.ours", value: OURS_COLOUR },
            value: THEIR_COLOUR,
          },
        },
      },
      {
        mark: { type: "rule", strokeWidth: 1.5 },
        encoding: {
          x: { field: "low", type: "quantitative", title: null },
          x2: { field: "high" },
        },
      },
      {
        mark: { type: "text", align: "left", dx: 6 },
        encoding: {
          x: { field: "high", type: "quantitative", title: null },
          text: { field: "median", type: "quantitative", format: ",.3~r" },
        },
      },
    ],
  }));
}

/** A panel for each figure, with a line for each peer over the number of waits. */
function lines(points: Point[]): Panel[] {
  const figureOf = ({ panel }: Point) => panel.split(": ")[1];
  return Object.entries(Object.groupBy(points, figureOf)).map(([title, values]) => ({
    title,
    data: { values: values! },
    width: 340,
    height: 300,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "size", type: "ordinal", title: "waits", axis: { labelAngle: 0 } },
      y: { field: "median", type: "quantitative", scale: LOGARITHMIC, title: null },
      color: { field: "peer", type: "nominal", title: null, sort: null },
      strokeWidth: { condition: { test: "datum.ours", value: 4 }, value: 1.5 },
    },
  }));
}

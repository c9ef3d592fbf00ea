/**
 * Taking the measures: every peer in turn, round after round, so that what else goes on in the
 * machine befalls all alike.
 *
 * @module
 */

import type { Case, Figure, Measure } from "./measures.ts";
import { NOT_TAKEN, type Peer, type StartCommands } from "./peers.ts";
import { quantile } from "./statistics.ts";

/**
 * The figures of one case: for each peer, by the figure's id, a number for each round. There is
 * none for a round that failed.
 */
export interface CaseResults {
  readonly figures: Record<string, Record<string, (number | undefined)[]>>;
  /** Why a peer has none, or one too few. */
  readonly failures: Record<string, string>;
}

/** The results by the measure's and the case's id. */
export type Results = Record<string, Record<string, CaseResults>>;

/** Where the programs are that were built. */
export interface Builds {
  readonly helpers: string;
  of(peer: Peer): string;
}

/** What a peer prints. */
type Samples = Record<string, number[]>;

/** Plain error messages, and no look for a newer Deno, which would take a thread and time. */
const ENVIRONMENT = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** How long a peer may take for one measure, in ms. */
const PATIENCE = 180_000;

/** Runs all peers on all measures. */
export async function takeAll(
  measures: readonly Measure[],
  peers: readonly Peer[],
  rounds: number,
  builds: Builds,
): Promise<Results> {
  const results: Results = {};
  for (let round = 0; round < rounds; round++) {
    // Nobody always follows the same neighbour's leftovers.
    const inTurn = peers.map((_, i) => peers[(i + round) % peers.length]);
    for (const measure of measures) {
      for (const one of measure.cases) {
        const into = (results[measure.id] ??= {})[one.id] ??= { figures: {}, failures: {} };
        for (const peer of inTurn) {
          if (round > 0 && into.figures[peer.id] === undefined) continue;
          note(`round ${round + 1} of ${rounds}: ${measure.title}, ${one.title}: ${peer.title}`);
          await take(measure, one, peer, builds, into, round);
        }
      }
    }
  }
  note("");
  return results;
}

async function take(
  measure: Measure,
  one: Case,
  peer: Peer,
  builds: Builds,
  into: CaseResults,
  round: number,
): Promise<void> {
  const asked = measure.id === "start" ? timeStarts : ask;
  const answer = await asked(measure, one, peer, builds);
  if (answer === null) return;
  if (typeof answer === "string") {
    into.failures[peer.id] = answer;
    return;
  }
  const figures = into.figures[peer.id] ??= {};
  for (const figure of measure.figures) {
    const value = valueOf(figure, answer, one);
    if (value !== undefined) (figures[figure.id] ??= [])[round] = value;
  }
}

function valueOf(figure: Figure, samples: Samples, { numbers }: Case): number | undefined {
  const own = samples[figure.of ?? figure.id];
  if (own === undefined || own.length === 0) return undefined;
  return figure.reduce ? figure.reduce(own, numbers) : quantile(own, 0.5);
}

/** Has a peer take a measure: samples, null if it doesn't take it, or what went wrong. */
async function ask(
  { id }: Measure,
  { numbers }: Case,
  peer: Peer,
  builds: Builds,
): Promise<Samples | string | null> {
  const [name, ...args] = peer.command(builds.of(peer));
  const command = new Deno.Command(name, {
    args: [...args, id, builds.helpers, ...numbers.map(String)],
    stdin: "null",
    env: ENVIRONMENT,
    signal: AbortSignal.timeout(PATIENCE),
  });
  const { code, signal, stdout, stderr } = await command.output();
  if (code === NOT_TAKEN) return null;
  if (code === 0) return JSON.parse(new TextDecoder().decode(stdout));
  if (signal === "SIGTERM") return `no answer within ${PATIENCE / 1000} s`;
  return firstError(new TextDecoder().decode(stderr)) ?? `exit code ${code}`;
}

/** The line of an error message that tells most. */
function firstError(text: string): string | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const line = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
  return line?.replace(/^.*Error: /, "");
}

/** Milliseconds that programs take from their start to their end. */
async function timeStarts(
  _: Measure,
  { numbers: [times] }: Case,
  peer: Peer,
  builds: Builds,
): Promise<Samples | string | null> {
  const commands = peer.start?.(builds.of(peer));
  if (commands === undefined) return null;
  const time = async ([name, ...args]: readonly string[]) => {
    const command = new Deno.Command(name, {
      args,
      stdin: "null",
      stdout: "null",
      env: ENVIRONMENT,
    });
    const begin = performance.now();
    const { success } = await command.spawn().status;
    if (!success) throw new Error(`${name} ${args.join(" ")} failed`);
    return performance.now() - begin;
  };
  const names = Object.keys(commands) as (keyof StartCommands)[];
  const samples: Record<string, number[]> = { over: [] };
  for (const name of names) {
    samples[name] = [];
    // So that what it imports is cached.
    await time(commands[name]!);
  }
  for (let i = 0; i < times; i++) {
    for (const name of names) samples[name].push(await time(commands[name]!));
    samples.over.push(samples.first[i] - samples.empty[i]);
  }
  return samples;
}

/** Says what goes on, in one line of the terminal; nothing to a file. */
function note(text: string): void {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

/**
 * Texts at random: such as the kernel prints under /proc, and such as nobody would.
 *
 * @module
 */

import { fc } from "./property.ts";

/** PIDs as Linux can have them: up to PID_MAX_LIMIT. */
export const pids: fc.Arbitrary<number> = fc.integer({ min: 1, max: 2 ** 22 });

/** User and group IDs. */
export const ids: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.constantFrom(0, 2 ** 32 - 1),
);

/** Pieces of what parsers look for, in places where it means nothing. */
const LURES = [
  ...[
    " ",
    "\t",
    "\n",
    "(",
    ")",
    ":",
    "-",
    "\\",
    "\0",
    "\ufeff",
    "ä",
    "0",
    "-1",
    "\\040",
    "//deleted",
  ],
  ...[") R 1 ", ") Z 0 (", "\nPid:\t1\n", "\nTgid:\t1", "\nUid:\t0\t0\t0\t0", "0::/", "\n0::/"],
  ...[" (deleted)", " - cgroup2 ", "cgroup2", "4711 (cat) S 4700 "],
].map((text) => new TextEncoder().encode(text));

/** Bytes that are to lead a parser astray; those of no UTF-8 among them. */
export function hostileBytes(maxLength: number): fc.Arbitrary<Uint8Array> {
  const pieces = fc.oneof(fc.constantFrom(...LURES), fc.uint8Array({ minLength: 1, maxLength: 4 }));
  return fc.array(pieces, { maxLength })
    .map((pieces) => Uint8Array.from(pieces.flatMap((piece) => [...piece])).slice(0, maxLength));
}

/** The same without some of the bytes, which can't be there. */
export function hostileBytesBut(forbidden: string, maxLength: number): fc.Arbitrary<Uint8Array> {
  const codes = new TextEncoder().encode(forbidden);
  return hostileBytes(maxLength).map((bytes) => bytes.filter((byte) => !codes.includes(byte)));
}

/** What is read from the files of /proc, as the library makes text of it. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The bytes of strings and of bytes, one behind the other. */
export function concat(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  return Uint8Array.from(
    parts.flatMap((part) => [...(typeof part === "string" ? encoder.encode(part) : part)]),
  );
}

/** Writes some of the bytes as a backslash and three octal digits, as seq_file(9) does. */
export function escaped(bytes: Uint8Array, which: string): Uint8Array {
  const codes = new TextEncoder().encode(which);
  return concat(
    ...[...bytes].map((byte) =>
      codes.includes(byte) ? `\\${byte.toString(8).padStart(3, "0")}` : Uint8Array.of(byte)
    ),
  );
}

/** `Key:\tvalue` lines with keys that aren't among those; values go on to the line's end. */
export function otherLines(...keys: readonly string[]): fc.Arbitrary<Uint8Array[]> {
  // Keys that begin or end like the real ones do.
  const alike = keys.flatMap((key) => [`${key}s`, `NS${key}`, ` ${key}`, key.toLowerCase()]);
  const key = fc.oneof(fc.stringMatching(/^[A-Za-z_]{1,12}$/), fc.constantFrom(...alike))
    .filter((key) => !keys.includes(key));
  const value = hostileBytesBut("\n", 24);
  return fc.array(fc.tuple(key, value).map(([key, value]) => concat(`${key}:\t`, value)), {
    maxLength: 5,
  });
}

/** Lines in this order, with others before, between and behind them. */
export function amid(
  lines: readonly (string | Uint8Array)[],
  others: fc.Arbitrary<Uint8Array[]>,
): fc.Arbitrary<string> {
  return fc.tuple(...lines.map(() => others), others).map((gaps) => {
    const all = gaps.flatMap((gap, i) => i < lines.length ? [...gap, lines[i]] : gap);
    return decode(concat(...all.flatMap((line) => [line, "\n"])));
  });
}

/** Words that the kernel's texts consist of. */
const WORDS = [
  ...["Pid", "NSpid", "Tgid", "PPid", "Uid", "Gid", "Name", "cgroup2", "shared:1", "rw", "none"],
  ...["0", "1", "-1", "4711", "4294967295", "9".repeat(17), "1e3", "0x10", "9".repeat(400)],
  ...[":", "\t", " ", "\n", "(", ")", "S", "-", "/", "0::", "0::/", " (deleted)", "\\040", "\\777"],
  ...["\\", "\0", "\ufeff", "\r", "\u2028", "ä"],
];

/** Texts of the kernel's, one for each parser. */
const SAMPLES = [
  "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t8\nPid:\t4711\nNSpid:\t4711\t1\n",
  "Name:\tcat\nTgid:\t4711\nPPid:\t4700\nUid:\t0\t1\t2\t3\nGid:\t0\t1\t2\t3\n",
  "4711 (cat) S 4700 4711 4711 34816 4712 4194304 106\n",
  "1:name=systemd:/user.slice\n0::/user.slice/session-1.scope\n",
  "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
];

/** Texts of the kernel's in which some words, or what is between them, are others. */
const damaged = fc.constantFrom(...SAMPLES).chain((sample) => {
  const words = sample.split(/\b/);
  const damages = fc.array(fc.tuple(fc.nat(words.length - 1), fc.constantFrom(...WORDS)), {
    minLength: 1,
    maxLength: 3,
  });
  return damages.map((damages) => {
    const changed = [...words];
    for (const [at, word] of damages) changed[at] = word;
    return changed.join("");
  });
});

/** Text that nothing is certain of, but that often is almost a text of the kernel's. */
export const garbage: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: damaged, weight: 4 },
  { arbitrary: hostileBytes(60).map(decode), weight: 1 },
  {
    arbitrary: fc.array(fc.constantFrom(...WORDS), { maxLength: 60 }).map((words) =>
      words.join("")
    ),
    weight: 1,
  },
  { arbitrary: fc.string({ unit: "binary", maxLength: 60 }), weight: 1 },
);

/** A little of it over and over again, a hundred thousand characters or so. */
export const endless: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 })
  .map((words) => words.join("").repeat(100_000 / words.join("").length));

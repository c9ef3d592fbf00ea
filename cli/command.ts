/**
 * What a command of `pidfd` is: all that its help, the man page, completion and the reading of its
 * command line are made of.
 *
 * @module
 */

/** What the value of an option, or an argument, can be: shells offer what there is. */
export type Kind =
  | "command"
  | "file"
  | "folder"
  | "group"
  | "ref"
  | "shell"
  | "signal"
  | "user"
  | readonly string[];

/** An option of a command. */
export interface Option {
  /** Its long name, without the dashes. */
  readonly name: string;
  /** Its letter. */
  readonly short?: string;
  /** What its value is called, if it takes one. */
  readonly value?: string;
  /** Whether the value can be left out: then it is only taken from `--name=value`. */
  readonly isOptional?: boolean;
  readonly kind?: Kind;
  /** What it does, in a sentence or two. */
  readonly help: string;
}

/** One of the commands, as in `pidfd wait`. */
export interface Command {
  readonly name: string;
  /** What comes behind its name. */
  readonly usage: string;
  /** What its arguments are. */
  readonly kind?: Kind;
  /** What it does, in paragraphs. */
  readonly description: readonly string[];
  readonly options: readonly Option[];
  /** Whether its own options end with the first argument, where the command line of another begins. */
  readonly runsAnother?: boolean;
  /** What its exit codes mean. */
  readonly exitCode: string;
  readonly examples: readonly string[];
  /** Does it, and resolves with the exit code. */
  readonly run: (args: string[]) => number | Promise<number>;
}

/** Something is wrong with the command line. */
export class UsageError extends Error {}

/** Someone asked for help. */
export class HelpWanted extends Error {}

/** The option that every command takes. */
export const HELP: Option = { name: "help", short: "h", help: "Show this" };

/** What a reference is, for the help of the commands that take one. */
export const REFERENCES =
  "REF is a PID, or PID:ID as `pidfd ref` and `pidfd find` print it, which no other process matches " +
  "until the next boot. With - the references are read from standard input, separated by white space.";

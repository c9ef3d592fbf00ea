/**
 * All commands, each loaded when it is asked for: a start costs only what is needed.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** A command before it is loaded. */
export interface Entry {
  /** What it does, in a line of the overview. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
  /** Whether it matters which signals were ignored when it was started. */
  readonly listens?: true;
}

export const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: "Run a command; on timeout or Ctrl-C its whole tree ends",
    load: async () => (await import("./run.ts")).run,
    listens: true,
  },
  wait: {
    summary: "Wait until processes end, and tell how they did",
    load: async () => (await import("./wait.ts")).wait,
    listens: true,
  },
  kill: {
    summary: "Send a signal to processes, or end whole trees of them",
    load: async () => (await import("./kill.ts")).kill,
    listens: true,
  },
  find: {
    summary: "Find processes by name, and print references to them",
    load: async () => (await import("./find.ts")).find,
  },
  tree: {
    summary: "Draw who is below whom, with references",
    load: async () => (await import("./tree.ts")).tree,
  },
  info: {
    summary: "Tell who processes are",
    load: async () => (await import("./info.ts")).info,
  },
  ref: {
    summary: "Print PID:ID, which names one process until the next boot",
    load: async () => (await import("./ref.ts")).ref,
  },
  features: {
    summary: "Tell what the running system offers",
    load: async () => (await import("./features.ts")).features,
  },
  completion: {
    summary: "Print a script that has a shell complete command lines",
    load: async () => (await import("./completion.ts")).completion,
  },
  man: {
    summary: "Print a manual page",
    load: async () => (await import("./man.ts")).man,
  },
};

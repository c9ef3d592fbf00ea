/**
 * README's recipe for Ctrl-C, by its own text: on a terminal, with a command that doesn't end by
 * itself and leaves a daemon.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../support/processes.ts";
import { Dialog, KEYS, onTerminal } from "../support/dialog.ts";
import { Mark } from "../support/trees.ts";

/** The recipe's program, with another command. */
function recipe(script: string): string {
  const [, text] = Deno.readTextFileSync(`${ROOT}README.md`).split("**Pass Ctrl-C on, once.**");
  const [, code] = /```ts\n(.*?)```/s.exec(text)!;
  const parts = code.split(`"sleep 0.2 & wait"`);
  assertEquals(parts.length, 2);
  return parts.join(JSON.stringify(script));
}

const ENDINGS: Record<string, (dialog: Dialog) => Promise<void> | void> = {
  "Ctrl-C": (dialog) => dialog.type(KEYS.ctrlC),
  SIGTERM: ({ child }) => child.kill("SIGTERM"),
};

for (const [name, end] of Object.entries(ENDINGS)) {
  onTerminal(
    `README's recipe for Ctrl-C ends all that the command has started: ${name}`,
    async () => {
      await using mark = new Mark();
      // The shell in between heeds SIGTERM, the daemon doesn't.
      const script = `setsid sh -c "trap '' TERM; echo ready; exec sleep 3600" & sleep 3600 & wait`;
      const file = Deno.makeTempFileSync({ suffix: ".ts" });
      Deno.writeTextFileSync(file, recipe(script).replaceAll("grace: 2000", "grace: 200"));
      try {
        await using dialog = new Dialog(Deno.execPath(), [
          ...["run", "--no-check", "--allow-ffi"],
          ...["--import-map", `${ROOT}tests/std/import_map.json`, file],
        ], { env: { ...mark.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } });
        await dialog.shows(/ready/);
        assert(mark.pids().length > 1);
        await end(dialog);
        await dialog.shows(/false/);
        assertEquals((await dialog.ended()).code, 0);
        assertEquals(mark.pids(), []);
      } finally {
        Deno.removeSync(file);
      }
    },
  );
}

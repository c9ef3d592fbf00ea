/**
 * The terminal in a terminal: that keys, text and size pass through both.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Dialog, KEYS } from "../support/dialog.ts";
import { startExample } from "../support/examples.ts";
import { idle, ROOT } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { hasTerminals, PTMX } from "../support/terminal.ts";

const EXAMPLE = `${ROOT}examples/terminal.ts`;

Deno.test(
  needing(PTMX, hasTerminals, "terminal.ts passes on keys, text and size"),
  async () => {
    const script = `trap 'echo "now $(stty size)."' WINCH; stty size; exec 2>&-
      while ! read -r line; do :; done; trap 'exit 7' INT; echo "ready: $line"
      while :; do sleep 0.02; done`;
    const permissions = ["run", "--no-prompt", "--no-check", "--allow-ffi"];
    await using dialog = new Dialog(
      Deno.execPath(),
      [...permissions, EXAMPLE, "sh", "-c", script],
      { terminal: { columns: 100, rows: 30 }, env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } },
    );
    await dialog.shows(/30 100\r+\n/);
    await dialog.type(`wörd${KEYS.enter}`);
    await dialog.shows(/ready: wörd\r+\n/);
    dialog.terminal.resize(90, 20);
    await dialog.shows(/now 20 90\.\r+\n/);
    await dialog.type(KEYS.ctrlC);
    await dialog.shows(/typed: 7 bytes, shown: \d+ bytes, exit code: 7\r+\n/);
    assertEquals((await dialog.ended()).code, 7);
    await idle();
  },
);

Deno.test("terminal.ts says that it needs a terminal", async () => {
  await using example = startExample("terminal.ts", ["--allow-ffi"], []);
  assertEquals([await example.rest(), (await example.child.status).code], [[], 2]);
});

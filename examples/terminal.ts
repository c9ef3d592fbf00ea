/**
 * A terminal in a terminal: a command, a shell unless told otherwise, runs on a terminal of its
 * own. What is typed here goes there, and what is shown there is shown here. At the end it tells
 * how much that was.
 *
 *     deno run --allow-ffi examples/terminal.ts [COMMAND [ARG…]]
 *
 * @module
 */

import { spawn } from "@pidfd/util";

if (!Deno.stdin.isTerminal()) {
  console.error("terminal.ts: the standard input is no terminal");
  Deno.exit(2);
}

const [command = "sh", ...args] = Deno.args;
const child = spawn(command, args, { terminal: Deno.consoleSize() });
const terminal = child.terminal!;

Deno.addSignalListener("SIGWINCH", () => {
  const { columns, rows } = Deno.consoleSize();
  terminal.resize(columns, rows);
});

/** Counts the bytes that pass through. */
function counter() {
  const counted = {
    bytes: 0,
    stream: new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        counted.bytes += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  };
  return counted;
}

const [typed, shown] = [counter(), counter()];
// Keys are the command's from here on, Ctrl-C as well.
Deno.stdin.setRaw(true);
try {
  const keys = Deno.stdin.readable.pipeThrough(typed.stream).pipeTo(terminal.writable);
  // A key that is typed after the end has nowhere to go.
  keys.catch(() => {});
  await terminal.readable.pipeThrough(shown.stream)
    .pipeTo(Deno.stdout.writable, { preventClose: true });
} finally {
  Deno.stdin.setRaw(false);
}

const { code } = await child.status;
console.log(`typed: ${typed.bytes} bytes, shown: ${shown.bytes} bytes, exit code: ${code}`);
Deno.exit(code);

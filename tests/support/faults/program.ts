/**
 * A program whose kernel calls fail: it is told what to do, line by line, and does it on a thread
 * of its own, which alone has the faults.
 *
 * @module
 */

import type { Answer, Request } from "./protocol.ts";

let worker: Worker | undefined;
let crash: Answer | undefined;
let answered: (answer: Answer) => void = () => {};

function start(): void {
  worker?.terminate();
  crash = undefined;
  worker = new Worker(new URL("thread.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => answered(data);
  worker.onerror = (event) => {
    event.preventDefault();
    answered(crash = { step: "crash", message: event.message });
  };
}

function answer(request: Request): Promise<Answer> {
  return new Promise((resolve) => {
    answered = resolve;
    if (request.step === "start") start();
    if (crash) resolve(crash);
    else worker?.postMessage(request);
  });
}

// Deno makes what it needs for signals half a second after its start, in the middle of all, or now.
Deno.addSignalListener("SIGUSR2", () => {});

let text = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (text + chunk).split("\n");
  text = lines.pop() ?? "";
  // A step that never ends must not keep the thread from being replaced.
  for (const line of lines) answer(JSON.parse(line)).then((a) => console.log(JSON.stringify(a)));
}
worker?.terminate();

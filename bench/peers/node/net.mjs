/**
 * Node.js's net, in Node.js itself and in Deno.
 *
 * As peers/support.ts has it: a program `MEASURE HELPERS NUMBER…` that prints a line of JSON.
 */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import process from "node:process";
import { timeMessages } from "../messages.mjs";

async function connect(path) {
  const socket = createConnection(path);
  let missing = 0;
  let arrived = () => {};
  socket.on("data", ({ length }) => {
    missing -= length;
    if (missing === 0) arrived();
  });
  await once(socket, "connect");
  return {
    send: (bytes) => socket.write(bytes) ? undefined : once(socket, "drain"),
    receive(count) {
      missing += count;
      return missing === 0 ? undefined : new Promise((resolve) => arrived = resolve);
    },
    close: () => socket.destroy(),
  };
}

const [measure, helpers, ...numbers] = process.argv.slice(2);
if (measure !== "messages") process.exit(64);
const path = `${helpers}/socket-${process.pid}`;
if (spawnSync(`${helpers}/partner`, [path]).status !== 0) throw new Error("no partner");
console.log(JSON.stringify(await timeMessages(() => connect(path), ...numbers.map(Number))));
process.exit();

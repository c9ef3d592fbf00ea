/**
 * A program that waits for a child. It says when it does, then what came of it, and then what it
 * has left open.
 *
 * Started with the name of an error, it has its sandbox answer that to the parked call, and only
 * says what came of it.
 *
 * @module
 */

import { Errno, type ErrnoName } from "../../../ffi/errno.ts";
import { PidFd } from "../../../mod.ts";
import { startHeld } from "../children.ts";
import "../deno_fds.ts";
import { idle } from "../processes.ts";
import { forbid } from "../seccomp.ts";
import { inventory } from "./inventory.ts";
import { outcomeOf } from "./protocol.ts";
import { allowTracing } from "./tracee.ts";

function print(value: unknown): void {
  console.log(JSON.stringify(value));
}

allowTracing();
const [answer] = Deno.args;
if (answer !== undefined) forbid(["epoll_wait(256)"], Errno[answer as ErrnoName], "program");

await using held = startHeld(7);
using pidfd = PidFd.fromChild(held.child);
const before = inventory();
const outcome = outcomeOf(() => pidfd.wait());
// In the next turn its thread is parked.
if (answer === undefined) setTimeout(() => print("waiting"));
Deno.stdin.read(new Uint8Array(1)).then(() => held.exit());
print(await outcome);
await idle();
print(inventory().filter((item) => !before.includes(item)));

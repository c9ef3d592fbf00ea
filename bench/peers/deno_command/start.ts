// A first call, by PID: Deno has no handles. 0 is not in the type, and works.
Deno.kill(Deno.pid, 0 as unknown as Deno.Signal);

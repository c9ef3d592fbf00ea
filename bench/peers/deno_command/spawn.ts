// A first child.
await new Deno.Command("/bin/true").spawn().status;

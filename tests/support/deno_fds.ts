/**
 * Imported by programs that count fds: has Deno open at once what it opens for itself half a
 * second after its start, a pair of sockets for signals.
 *
 * @module
 */

const ignore = () => {};
Deno.addSignalListener("SIGUSR2", ignore);
Deno.removeSignalListener("SIGUSR2", ignore);

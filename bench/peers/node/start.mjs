// A first call, by PID: Node.js has no handles.
import "node:child_process";

process.kill(process.pid, 0);

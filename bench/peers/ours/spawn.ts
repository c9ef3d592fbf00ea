// A first child.
import { spawn } from "../../../mod.ts";

await spawn("/bin/true").status;

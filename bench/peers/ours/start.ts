// A first call: a handle on the program itself, and signal 0 through it.
import { PidFd } from "../../../mod.ts";

using self = PidFd.fromSelf();
self.sendSignal(0);

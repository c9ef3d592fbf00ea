/**
 * `struct rusage` (getrusage(2), `<linux/resource.h>`): the resources that a process has used. The
 * system call waitid(2) fills it for a child that ended. libc's waitid has no parameter for it.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { word } from "./scalars.ts";

export const rusage = struct("rusage", {
  // struct timeval ru_utime: seconds and microseconds
  utime_sec: word,
  utime_usec: word,
  // struct timeval ru_stime
  stime_sec: word,
  stime_usec: word,
  /** In KiB. */
  ru_maxrss: word,
  ru_ixrss: word,
  ru_idrss: word,
  ru_isrss: word,
  ru_minflt: word,
  ru_majflt: word,
  ru_nswap: word,
  ru_inblock: word,
  ru_oublock: word,
  ru_msgsnd: word,
  ru_msgrcv: word,
  ru_nsignals: word,
  ru_nvcsw: word,
  ru_nivcsw: word,
});

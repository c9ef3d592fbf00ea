/**
 * The table of libc's functions for starting processes, in two families: what the child does
 * before it executes (posix_spawn_file_actions_*), and what it is (posix_spawnattr_*).
 * All of those return an error number, and need no errno.
 *
 * Those that are optional came later than the oldest libc that Deno runs with: addchdir_np
 * with glibc 2.29, addclosefrom_np with 2.34, pidfd_spawn and setcgroup_np with 2.39.
 *
 * @module
 */

import { libcWith } from "./libc.ts";

/** Functions that take nothing but the object that they work on. */
const ACTIONS = { parameters: ["buffer"], result: "i32" } as const;

const COMMAND = [
  "buffer", // pid_t *pid, or int *pidfd
  "buffer", // const char *path
  "buffer", // const posix_spawn_file_actions_t *file_actions
  "buffer", // const posix_spawnattr_t *attrp
  "buffer", // char *const argv[]
] as const;

const WITH_ENVIRONMENT = {
  parameters: [
    ...COMMAND,
    "buffer", // char *const envp[]
  ],
  result: "i32",
} as const;

/** The same, for an environment that is in libc's memory already. */
const INHERITING = {
  parameters: [
    ...COMMAND,
    "usize", // char *const envp[], as an address
  ],
  result: "i32",
} as const;

/** libc with every function that starting a process takes, opened at first use. */
export const spawnLibc = libcWith({
  // int kill(pid_t pid, int sig);
  kill: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int sig
    ],
    result: "i32",
  },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
  sigaction: {
    parameters: [
      "i32", // int signum
      "buffer", // const struct sigaction *act
      "buffer", // struct sigaction *oldact
    ],
    result: "i32",
  },
  // int posix_spawn(pid_t *pid, const char *path, …);
  posix_spawn: WITH_ENVIRONMENT,
  posix_spawn_inheriting: { name: "posix_spawn", ...INHERITING },
  // int pidfd_spawn(int *pidfd, const char *path, …);
  pidfd_spawn: { ...WITH_ENVIRONMENT, optional: true },
  pidfd_spawn_inheriting: { name: "pidfd_spawn", ...INHERITING, optional: true },

  // int posix_spawn_file_actions_init(posix_spawn_file_actions_t *file_actions);
  posix_spawn_file_actions_init: ACTIONS,
  // int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *file_actions);
  posix_spawn_file_actions_destroy: ACTIONS,
  // int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *, int fd, int newfd);
  posix_spawn_file_actions_adddup2: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fd
      "i32", // int newfd
    ],
    result: "i32",
  },
  // int posix_spawn_file_actions_addopen(…, int fd, const char *path, int oflag, mode_t mode);
  posix_spawn_file_actions_addopen: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fd
      "buffer", // const char *path
      "i32", // int oflag
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  // int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *, int fd);
  posix_spawn_file_actions_addclose: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fd
    ],
    result: "i32",
  },
  // int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int from);
  posix_spawn_file_actions_addclosefrom_np: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int from
    ],
    result: "i32",
    optional: true,
  },
  // int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *path);
  posix_spawn_file_actions_addchdir_np: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "buffer", // const char *path
    ],
    result: "i32",
    optional: true,
  },

  // int posix_spawnattr_init(posix_spawnattr_t *attr);
  posix_spawnattr_init: ACTIONS,
  // int posix_spawnattr_destroy(posix_spawnattr_t *attr);
  posix_spawnattr_destroy: ACTIONS,
  // int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags);
  posix_spawnattr_setflags: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i16", // short flags
    ],
    result: "i32",
  },
  // int posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t pgroup);
  posix_spawnattr_setpgroup: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i32", // pid_t pgroup
    ],
    result: "i32",
  },
  // int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *sigdefault);
  posix_spawnattr_setsigdefault: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigdefault
    ],
    result: "i32",
  },
  // int posix_spawnattr_setsigmask(posix_spawnattr_t *attr, const sigset_t *sigmask);
  posix_spawnattr_setsigmask: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigmask
    ],
    result: "i32",
  },
  // int posix_spawnattr_setcgroup_np(posix_spawnattr_t *attr, int cgroup);
  posix_spawnattr_setcgroup_np: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i32", // int cgroup
    ],
    result: "i32",
    optional: true,
  },
});

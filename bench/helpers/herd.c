/*
 * herd COUNT PROGRAM: starts PROGRAM many times in one process group, prints the group's number
 * and then all PIDs, a line each, and ends.
 *
 * A peer that made itself a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) before then has them as
 * children of its own, which it can wait for with waitid(2), though it never started them.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[1]);
  char *child_argv[] = {argv[2], NULL};
  char *child_env[] = {NULL};
  pid_t *pids = calloc(count, sizeof *pids);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; fd++)
    posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);

  for (int i = 0; i < count; i++) {
    posix_spawnattr_setpgroup(&attributes, pids[0]);
    int error = posix_spawn(&pids[i], argv[2], &actions, &attributes, child_argv, child_env);
    if (error != 0) {
      fprintf(stderr, "herd: process %d of %d: %s\n", i + 1, count, strerror(error));
      return 1;
    }
  }
  printf("%d\n", pids[0]);
  for (int i = 0; i < count; i++) printf("%d\n", pids[i]);
  return 0;
}

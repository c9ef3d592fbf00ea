/*
 * hold [GROUP]: the process that all peers wait for. It does nothing until a signal ends it.
 *
 * With GROUP it joins that process group first, or founds one with 0: so that one signal can end
 * very many at once. It never outlives a benchmark that died: after five minutes it ends itself.
 */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  alarm(300);
  if (argc > 1 && setpgid(0, atoi(argv[1])) != 0) return 1;
  for (;;) pause();
}

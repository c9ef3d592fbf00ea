/* writer SIZE TOTAL: writes TOTAL zero bytes to its standard output, SIZE with each write(2). */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t size = strtoul(argv[1], NULL, 10);
  char *buffer = calloc(size, 1);
  for (size_t rest = strtoul(argv[2], NULL, 10); rest > 0;) {
    ssize_t written = write(1, buffer, size < rest ? size : rest);
    if (written < 0) return 1;
    rest -= written;
  }
  return 0;
}

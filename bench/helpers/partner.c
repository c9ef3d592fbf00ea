/*
 * partner PATH: the other end of a UNIX socket, the same for all peers. It listens at PATH, and
 * returns once it does; a process in the background serves one connection after another, blocking.
 *
 * A connection begins with nine bytes: what to do, and a number of bytes in little-endian order.
 *   e  echo all that comes
 *   s  take so many bytes, then send a single one
 *   r  send so many bytes, 1 KiB with each write(2)
 *   q  end
 * It never outlives a benchmark that died: after five minutes it ends itself.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buffer[64 * 1024];

/* 0 at the end of the connection. */
static size_t take(int fd, void *into, size_t size) {
  ssize_t length = read(fd, into, size);
  if (length < 0) err(1, "read");
  return length;
}

static void give(int fd, size_t length) {
  for (size_t sent = 0; sent < length;) {
    ssize_t written = write(fd, buffer + sent, length - sent);
    if (written < 0) err(1, "write");
    sent += written;
  }
}

static void serve(int fd) {
  char what;
  uint64_t rest;
  if (take(fd, &what, 1) != 1 || take(fd, &rest, 8) != 8) errx(1, "no request");
  if (what == 'q') _exit(0);
  if (what == 'e')
    for (size_t length; (length = take(fd, buffer, sizeof buffer)) > 0;) give(fd, length);
  if (what == 's') {
    for (size_t length; rest > 0; rest -= length)
      if ((length = take(fd, buffer, sizeof buffer)) == 0) errx(1, "bytes are missing");
    give(fd, 1);
  }
  if (what == 'r')
    for (size_t length; rest > 0; rest -= length) give(fd, length = rest < 1024 ? rest : 1024);
  /* Until the peer hangs up. */
  while (take(fd, buffer, sizeof buffer) > 0) continue;
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, argv[1]);
  unlink(argv[1]);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) err(1, "socket");
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) err(1, "bind");
  if (listen(listener, 1) != 0) err(1, "listen");
  pid_t pid = fork();
  if (pid != 0) return pid < 0;
  alarm(300);
  /* Whoever reads what this program prints waits no longer. */
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) return 1;
    serve(fd);
    close(fd);
  }
}

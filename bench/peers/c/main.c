/*
 * The limit: what the kernel takes, called as directly as C can.
 *
 * One call is one system call (two to open and close). Waiting is epoll_wait(2) on pidfds, then
 * waitid(2) with P_PIDFD. Starting is posix_spawn(3), which is vfork and exec, with nothing set.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;

/* struct pidfd_info as Linux 6.15 has it; older headers have none. */
struct info {
  uint64_t mask, cgroupid;
  uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
  uint32_t coredump_mask, spare;
};
#define GET_INFO _IOWR(0xFF, 11, struct info)
#define INFO_CGROUPID 4

static double now(void) { /* in ns */
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static const char *separator = "{";

static void figure(const char *name, const double *values, int count) {
  printf("%s\"%s\":[", separator, name);
  for (int i = 0; i < count; i++) printf("%s%.3f", i ? "," : "", values[i]);
  printf("]");
  separator = ",";
}

static int pidfd_of(pid_t pid) {
  int fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) err(1, "pidfd_open");
  return fd;
}

static void send(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) != 0) err(1, "pidfd_send_signal");
}

static void reap(int pidfd) {
  siginfo_t info;
  if (waitid(P_PIDFD, pidfd, &info, WEXITED) != 0) err(1, "waitid");
}

/*
 * Once only: a child that is just about to execute can still have a duplicate of an fd that we
 * closed, and as long as that is so epoll goes on reporting it.
 */
static void expect(int pidfd, int epoll) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pidfd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) != 0) err(1, "epoll_ctl");
}

static pid_t start(const char *path, char **argv) {
  pid_t pid;
  if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0) errx(1, "posix_spawn");
  return pid;
}

/* Starts a herd whose processes become our children, and gives a pidfd of each. */
static int *start_herd(const char *helpers, int count, pid_t *group) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  char *command;
  if (asprintf(&command, "exec %s/herd %d %s/hold", helpers, count, helpers) < 0) err(1, "herd");
  FILE *herd = popen(command, "r");
  int *fds = calloc(count, sizeof *fds);
  if (fscanf(herd, "%d", group) != 1) errx(1, "no herd");
  for (int i = 0; i < count; i++) {
    pid_t pid;
    if (fscanf(herd, "%d", &pid) != 1) errx(1, "an incomplete herd");
    fds[i] = pidfd_of(pid);
  }
  if (pclose(herd) != 0) errx(1, "a failed herd");
  free(command);
  return fds;
}

static void end_herd(const int *fds, int from, int to) {
  for (int i = from; i < to; i++) send(fds[i], SIGKILL), reap(fds[i]);
}

static void nothing_to_wait_for(int fd) {
  siginfo_t info = {0};
  if (waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG | WNOWAIT) != 0) err(1, "waitid");
  if (info.si_pid != 0) errx(1, "it ended");
}

static void signal0(int fd) { send(fd, 0); }

static void get_info(int fd) {
  struct info info = {.mask = INFO_CGROUPID};
  if (ioctl(fd, GET_INFO, &info) != 0) err(1, "ioctl");
}

static void is_alive(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLIN};
  if (poll(&look, 1, 0) != 0) errx(1, "it ended");
}

static pid_t target;
static void open_close(int fd) {
  (void)fd;
  close(pidfd_of(target));
}

static void one_call(char **args) {
  int calls = atoi(args[1]), batches = atoi(args[2]);
  int *herd = start_herd(args[0], 1, &target);
  struct {
    const char *name;
    void (*call)(int fd);
  } all[] = {{"signal0", signal0},
             {"getInfo", get_info},
             {"tryWait", nothing_to_wait_for},
             {"openClose", open_close},
             {"isAlive", is_alive}};
  double *samples = calloc(batches, sizeof *samples);
  for (size_t which = 0; which < sizeof all / sizeof *all; which++) {
    for (int batch = -1; batch < batches; batch++) {
      double begin = now();
      for (int i = 0; i < calls; i++) all[which].call(herd[0]);
      if (batch >= 0) samples[batch] = (now() - begin) / calls;
    }
    figure(all[which].name, samples, batches);
  }
  end_herd(herd, 0, 1);
}

static void latency(char **args) {
  int pending = atoi(args[1]), kills = atoi(args[2]);
  int all = pending - 1 + kills;
  pid_t group;
  int *herd = start_herd(args[0], all, &group);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = kills; i < all; i++) expect(herd[i], epoll);
  double *samples = calloc(kills, sizeof *samples);
  for (int i = 0; i < kills; i++) {
    expect(herd[i], epoll);
    usleep(2000);
    double begin = now();
    send(herd[i], SIGKILL);
    struct epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) != 1 || event.data.fd != herd[i]) err(1, "epoll_wait");
    reap(herd[i]);
    samples[i] = (now() - begin) / 1e3;
    close(herd[i]);
  }
  figure("latency", samples, kills);
  end_herd(herd, kills, all);
}

static void run_all(int at_a_time, int count) {
  char *argv[] = {"/bin/true", NULL};
  if (at_a_time == 1) {
    for (int i = 0; i < count; i++) {
      int fd = pidfd_of(start(argv[0], argv));
      reap(fd);
      close(fd);
    }
    return;
  }
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int started = 0, ended = 0; ended < count;) {
    for (; started < count && started - ended < at_a_time; started++)
      expect(pidfd_of(start(argv[0], argv)), epoll);
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, -1);
    if (ready < 0) err(1, "epoll_wait");
    for (int i = 0; i < ready; i++, ended++) {
      reap(events[i].data.fd);
      close(events[i].data.fd);
    }
  }
  close(epoll);
}

static void spawn(char **args) {
  int at_a_time = atoi(args[1]), count = atoi(args[2]);
  run_all(at_a_time, count / 10);
  double begin = now();
  run_all(at_a_time, count);
  double rate = count / ((now() - begin) / 1e9);
  figure("perSecond", &rate, 1);
}

/* The sizes of the pipe and of the buffer are those that were fastest of many. */
static void receive(const char *helpers, char *size, long long total) {
  static char buffer[128 * 1024];
  char path[4096], total_text[32];
  snprintf(path, sizeof path, "%s/writer", helpers);
  snprintf(total_text, sizeof total_text, "%lld", total);
  char *argv[] = {"writer", size, total_text, NULL};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) err(1, "pipe2");
  fcntl(ends[0], F_SETPIPE_SZ, 256 * 1024);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  pid_t pid;
  if (posix_spawn(&pid, path, &actions, NULL, argv, environ) != 0) errx(1, "posix_spawn");
  int fd = pidfd_of(pid);
  close(ends[1]);
  long long received = 0;
  for (ssize_t length; (length = read(ends[0], buffer, sizeof buffer)) != 0; received += length)
    if (length < 0) err(1, "read");
  reap(fd);
  close(fd);
  close(ends[0]);
  if (received != total) errx(1, "bytes are missing");
}

static void throughput(char **args) {
  long long total = atoll(args[2]);
  receive(args[0], args[1], total / 8);
  double begin = now();
  receive(args[0], args[1], total);
  double rate = total / 1048576.0 / ((now() - begin) / 1e9);
  figure("MiBps", &rate, 1);
}

/* A number from /proc/self/status: threads, or memory in KiB. */
static double own_status(const char *name) {
  char line[256];
  double value = -1;
  FILE *status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status))
    if (strncmp(line, name, strlen(name)) == 0) value = atof(line + strlen(name) + 1);
  fclose(status);
  return value;
}

static void scale(char **args) {
  int waits = atoi(args[1]);
  double threads = own_status("Threads");
  pid_t group;
  int *herd = start_herd(args[0], waits, &group);
  double resident = own_status("VmRSS");
  double begin = now();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < waits; i++) expect(herd[i], epoll);
  double registering = (now() - begin) / 1e3;
  usleep(100000);
  threads = own_status("Threads") - threads;
  resident = (own_status("VmRSS") - resident) * 1024 / waits;
  begin = now();
  kill(-group, SIGKILL);
  for (int ended = 0; ended < waits;) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, -1);
    if (ready < 0) err(1, "epoll_wait");
    for (int i = 0; i < ready; i++, ended++) {
      reap(events[i].data.fd);
      close(events[i].data.fd);
    }
  }
  double completing = (now() - begin) / 1e3;
  figure("register", &registering, 1);
  figure("complete", &completing, 1);
  figure("threads", &threads, 1);
  figure("resident", &resident, 1);
}

/* What a program does that holds itself and asks whether it is there. */
static void first_call(char **args) {
  (void)args;
  int fd = pidfd_of(getpid());
  send(fd, 0);
  close(fd);
}

int main(int argc, char **argv) {
  struct {
    const char *name;
    void (*measure)(char **args);
  } all[] = {{"call", one_call},     {"latency", latency}, {"spawn", spawn},
             {"throughput", throughput}, {"scale", scale}, {"start", first_call}};
  if (argc > 1 && strcmp(argv[1], "empty") == 0) return 0;
  for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++) {
    if (strcmp(argv[1], all[i].name) != 0) continue;
    all[i].measure(argv + 2);
    if (*separator == ',') puts("}");
    return 0;
  }
  return 64;
}

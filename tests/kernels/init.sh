#!/bin/busybox sh
# The first process of a machine: sets it up as a Linux system has it, runs /command in the
# project, says how that ended, and turns the machine off. That line is what the host believes;
# if the kernel panics, or this script fails, it never comes.
set -e
PATH=/usr/bin:/usr/sbin
export PATH

busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox mkdir -p /mnt/freezer
busybox mount -t cgroup -o freezer freezer /mnt/freezer
busybox mount -t devtmpfs devtmpfs /dev
busybox mkdir -p /dev/pts /dev/shm
busybox mount -t devpts devpts /dev/pts
busybox mount -t tmpfs tmpfs /dev/shm
busybox mount -t tmpfs tmpfs /tmp
busybox chmod 1777 /dev/shm /tmp
busybox ln -s /proc/self/fd /dev/fd
busybox ln -s /proc/self/fd/0 /dev/stdin
busybox ln -s /proc/self/fd/1 /dev/stdout
busybox ln -s /proc/self/fd/2 /dev/stderr
busybox ip link set lo up

cd /project
# Through a pipe, as the console is a terminal, and slow.
{
  status=0
  sh /command </dev/null || status=$?
  echo "$status" >/status
} 2>&1 | busybox cat
echo "the command ended with $(busybox cat /status)"
busybox poweroff -f

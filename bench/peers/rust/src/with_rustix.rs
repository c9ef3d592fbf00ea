//! The system calls as rustix has them, and epoll.

use crate::support::{Herd, Samples, kill, microseconds, own_status, start_herd, time_calls};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn open(pid: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
}

fn reap(pidfd: &OwnedFd) {
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    assert!(status.unwrap().killed());
}

fn send_nothing(pidfd: &OwnedFd) {
    // rustix has no signal 0.
    let none = 0;
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), none, 0, 0) };
    assert_eq!(result, 0);
}

fn expect(set: &OwnedFd, pidfd: &OwnedFd, index: usize) {
    let data = epoll::EventData::new_u64(index as u64);
    epoll::add(set, pidfd, data, epoll::EventFlags::IN).unwrap();
}

pub fn call(helpers: &str, calls: usize, batches: usize) -> Samples {
    let pid = start_herd(helpers, 1).pids[0];
    let target = open(pid);
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let try_wait = || {
        assert!(
            waitid(WaitId::PidFd(target.as_fd()), look)
                .unwrap()
                .is_none()
        )
    };
    let is_alive = || {
        let mut fds = [PollFd::new(&target, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Timespec::default())).unwrap(), 0);
    };
    let samples = vec![
        ("tryWait", time_calls(calls, batches, try_wait)),
        ("openClose", time_calls(calls, batches, || drop(open(pid)))),
        ("isAlive", time_calls(calls, batches, is_alive)),
    ];
    kill(pid);
    reap(&target);
    samples
}

pub fn latency(helpers: &str, pending: usize, kills: usize) -> Samples {
    let Herd { pids, .. } = start_herd(helpers, pending - 1 + kills);
    let herd: Vec<OwnedFd> = pids.into_iter().map(open).collect();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (i, pidfd) in herd.iter().enumerate().skip(kills) {
        expect(&set, pidfd, i);
    }
    let mut latency = Vec::new();
    let mut events = Vec::with_capacity(1);
    for (i, pidfd) in herd.iter().enumerate().take(kills) {
        expect(&set, pidfd, i);
        sleep(Duration::from_millis(2));
        let begin = Instant::now();
        pidfd_send_signal(pidfd, Signal::KILL).unwrap();
        events.clear();
        epoll::wait(&set, spare_capacity(&mut events), None).unwrap();
        assert_eq!(events[0].data.u64(), i as u64);
        reap(pidfd);
        latency.push(microseconds(begin));
        epoll::delete(&set, pidfd).unwrap();
    }
    for pidfd in &herd[kills..] {
        pidfd_send_signal(pidfd, Signal::KILL).unwrap();
        reap(pidfd);
    }
    vec![("latency", latency)]
}

pub fn scale(helpers: &str, waits: usize) -> Samples {
    let threads = own_status("Threads");
    let Herd { group, pids } = start_herd(helpers, waits);
    let herd: Vec<OwnedFd> = pids.into_iter().map(open).collect();
    let resident = own_status("VmRSS");
    let begin = Instant::now();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (i, pidfd) in herd.iter().enumerate() {
        expect(&set, pidfd, i);
    }
    let register = microseconds(begin);
    sleep(Duration::from_millis(100));
    let threads = own_status("Threads") - threads;
    let resident = (own_status("VmRSS") - resident) * 1024.0 / waits as f64;
    let begin = Instant::now();
    kill(-group);
    let mut events = Vec::with_capacity(256);
    let mut left = waits;
    while left > 0 {
        events.clear();
        epoll::wait(&set, spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let pidfd = &herd[event.data.u64() as usize];
            reap(pidfd);
            epoll::delete(&set, pidfd).unwrap();
            left -= 1;
        }
    }
    vec![
        ("register", vec![register]),
        ("complete", vec![microseconds(begin)]),
        ("threads", vec![threads]),
        ("resident", vec![resident]),
    ]
}

/// What a program does that holds itself and asks whether it is there.
pub fn start() {
    send_nothing(&pidfd_open(getpid(), PidfdFlags::empty()).unwrap());
}

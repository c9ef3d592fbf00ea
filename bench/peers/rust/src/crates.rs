//! The crates whose subject is the pidfd: pidfd-util, which ours is the counterpart of,
//! async-pidfd, and pidfd.

use crate::support::{Herd, Samples, kill, microseconds, own_status, start_herd, time_calls};
use async_io::{Timer, block_on};
use futures_util::{future::join_all, poll};
use pidfd_util::{AsyncPidFd, PidFd, PidFdExt};
use std::pin::pin;
use std::time::{Duration, Instant};

/// A handle of one of the crates, as far as waiting goes.
pub trait Handle {
    fn open(pid: i32) -> Self;
    fn wait(self) -> impl Future<Output = ()>;
}

pub struct PidfdUtil(AsyncPidFd);

impl Handle for PidfdUtil {
    fn open(pid: i32) -> Self {
        Self(PidFd::from_pid(pid).unwrap().try_into().unwrap())
    }

    async fn wait(self) {
        self.0.wait().await.unwrap();
    }
}

pub struct AsyncPidfd(async_pidfd::AsyncPidFd);

impl Handle for AsyncPidfd {
    fn open(pid: i32) -> Self {
        Self(async_pidfd::AsyncPidFd::from_pid(pid).unwrap())
    }

    async fn wait(self) {
        self.0.wait().await.unwrap();
    }
}

pub struct Pidfd(pidfd::PidFd);

impl Handle for Pidfd {
    fn open(pid: i32) -> Self {
        Self(unsafe { pidfd::PidFd::open(pid, 0) }.unwrap())
    }

    async fn wait(self) {
        self.0.into_future().await.unwrap();
    }
}

/// The calls of pidfd-util, the only one of them that has any.
pub fn call(helpers: &str, calls: usize, batches: usize) -> Samples {
    let pid = start_herd(helpers, 1).pids[0];
    let target = PidFd::from_pid(pid).unwrap();
    // What our getInfo tells takes a call for each part.
    let get_info = || {
        target.get_pid().unwrap();
        target.get_ppid().unwrap();
        target.get_id().unwrap();
        target.get_creds().unwrap();
        target.get_cgroupid().unwrap();
    };
    let samples = vec![
        (
            "signal0",
            time_calls(calls, batches, || target.send_signal(0).unwrap()),
        ),
        ("getInfo", time_calls(calls, batches, get_info)),
        (
            "tryWait",
            time_calls(calls, batches, || {
                assert!(target.try_wait().unwrap().is_none())
            }),
        ),
        (
            "openClose",
            time_calls(calls, batches, || drop(PidFd::from_pid(pid).unwrap())),
        ),
    ];
    kill(pid);
    target.wait().unwrap();
    samples
}

pub fn latency<H: Handle>(helpers: &str, pending: usize, kills: usize) -> Samples {
    let Herd { pids, .. } = start_herd(helpers, pending - 1 + kills);
    block_on(async {
        let mut background = join_all(pids[kills..].iter().map(|&pid| H::open(pid).wait()));
        let _ = poll!(&mut background);
        let mut latency = Vec::new();
        for &pid in &pids[..kills] {
            let mut ended = pin!(H::open(pid).wait());
            let _ = poll!(&mut ended);
            Timer::after(Duration::from_millis(2)).await;
            let begin = Instant::now();
            kill(pid);
            ended.await;
            latency.push(microseconds(begin));
        }
        pids[kills..].iter().for_each(|&pid| kill(pid));
        background.await;
        vec![("latency", latency)]
    })
}

pub fn scale<H: Handle>(helpers: &str, waits: usize) -> Samples {
    let threads = own_status("Threads");
    let Herd { group, pids } = start_herd(helpers, waits);
    let herd: Vec<H> = pids.into_iter().map(H::open).collect();
    block_on(async {
        let resident = own_status("VmRSS");
        let begin = Instant::now();
        let mut all = join_all(herd.into_iter().map(H::wait));
        let _ = poll!(&mut all);
        let register = microseconds(begin);
        Timer::after(Duration::from_millis(100)).await;
        let threads = own_status("Threads") - threads;
        let resident = (own_status("VmRSS") - resident) * 1024.0 / waits as f64;
        let begin = Instant::now();
        kill(-group);
        all.await;
        vec![
            ("register", vec![register]),
            ("complete", vec![microseconds(begin)]),
            ("threads", vec![threads]),
            ("resident", vec![resident]),
        ]
    })
}

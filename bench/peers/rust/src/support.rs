//! What all ways have in common.

use std::fs::read_to_string;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Lists of samples, and their figure's name.
pub type Samples = Vec<(&'static str, Vec<f64>)>;

/// Processes that are our children without our having started them: see helpers/herd.c.
pub struct Herd {
    pub group: i32,
    pub pids: Vec<i32>,
}

pub fn start_herd(helpers: &str, count: usize) -> Herd {
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let output = Command::new(format!("{helpers}/herd"))
        .arg(count.to_string())
        .arg(format!("{helpers}/hold"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "no herd");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.lines().map(|line| line.parse().unwrap());
    let group = numbers.next().unwrap();
    Herd {
        group,
        pids: numbers.collect(),
    }
}

pub fn kill(pid: i32) {
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

pub fn microseconds(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64 / 1e3
}

/// Nanoseconds that one call takes, in each of some batches; the first warms up.
pub fn time_calls(calls: usize, batches: usize, mut call: impl FnMut()) -> Vec<f64> {
    let mut samples = Vec::new();
    for _ in 0..=batches {
        let begin = Instant::now();
        for _ in 0..calls {
            call();
        }
        samples.push(microseconds(begin) * 1e3 / calls as f64);
    }
    samples.split_off(1)
}

/// A number from /proc/self/status: threads, or memory in KiB.
pub fn own_status(name: &str) -> f64 {
    let status = read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

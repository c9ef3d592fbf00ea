//! tokio::process, which waits on pidfds where it can, in a runtime of one thread.

use crate::support::{Samples, kill, microseconds, own_status};
use futures_util::future::join_all;
use std::cell::Cell;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future)
}

fn hold(helpers: &str, group: Option<i32>) -> Child {
    let mut command = Command::new(format!("{helpers}/hold"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(group) = group {
        command.arg(group.to_string());
    }
    command.spawn().unwrap()
}

fn pid(child: &Child) -> i32 {
    child.id().unwrap() as i32
}

pub fn latency(helpers: &str, pending: usize, kills: usize) -> Samples {
    run(async {
        let others: Vec<Child> = (1..pending).map(|_| hold(helpers, None)).collect();
        let pids: Vec<i32> = others.iter().map(pid).collect();
        let background: Vec<_> = others
            .into_iter()
            .map(|mut child| spawn_local(async move { child.wait().await.unwrap() }))
            .collect();
        let mut latency = Vec::new();
        for _ in 0..kills {
            let mut child = hold(helpers, None);
            let pid = pid(&child);
            let ended = spawn_local(async move { child.wait().await.unwrap() });
            sleep(Duration::from_millis(2)).await;
            let begin = Instant::now();
            kill(pid);
            ended.await.unwrap();
            latency.push(microseconds(begin));
        }
        pids.into_iter().for_each(kill);
        join_all(background).await;
        vec![("latency", latency)]
    })
}

pub fn spawn(at_a_time: usize, count: usize) -> Samples {
    async fn run_all(at_a_time: usize, count: usize) {
        let left = Cell::new(count);
        let lane = || async {
            while left.get() > 0 {
                left.set(left.get() - 1);
                Command::new("/bin/true").status().await.unwrap();
            }
        };
        join_all((0..at_a_time).map(|_| lane())).await;
    }
    run(async {
        run_all(at_a_time, count / 10).await;
        let begin = Instant::now();
        run_all(at_a_time, count).await;
        vec![("perSecond", vec![count as f64 / microseconds(begin) * 1e6])]
    })
}

pub fn throughput(helpers: &str, size: usize, total: usize) -> Samples {
    let receive = async |total: usize| {
        let mut child = Command::new(format!("{helpers}/writer"))
            .arg(size.to_string())
            .arg(total.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        loop {
            match output.read(&mut buffer).await.unwrap() {
                0 => break,
                length => received += length,
            }
        }
        child.wait().await.unwrap();
        assert_eq!(received, total);
    };
    run(async {
        receive(total / 8).await;
        let begin = Instant::now();
        receive(total).await;
        vec![(
            "MiBps",
            vec![total as f64 / 1048576.0 / microseconds(begin) * 1e6],
        )]
    })
}

pub fn scale(helpers: &str, waits: usize) -> Samples {
    run(async {
        let threads = own_status("Threads");
        let resident = own_status("VmRSS");
        let leader = hold(helpers, Some(0));
        let group = pid(&leader);
        sleep(Duration::from_millis(100)).await;
        let mut children = vec![leader];
        children.extend((1..waits).map(|_| hold(helpers, Some(group))));
        let ended: Vec<_> = children
            .into_iter()
            .map(|mut child| spawn_local(async move { child.wait().await.unwrap() }))
            .collect();
        sleep(Duration::from_millis(300)).await;
        let threads = own_status("Threads") - threads;
        let resident = (own_status("VmRSS") - resident) * 1024.0 / waits as f64;
        let begin = Instant::now();
        kill(-group);
        join_all(ended).await;
        vec![
            ("complete", vec![microseconds(begin)]),
            ("threads", vec![threads]),
            ("resident", vec![resident]),
        ]
    })
}

//! Rust: rustix with epoll, tokio::process, and the crates for pidfds.
//!
//! A program `CRATE MEASURE HELPERS NUMBER…` that prints a line of JSON, as peers/support.ts has
//! it; or `empty`, or `start`.

mod crates;
mod support;
mod with_rustix;
mod with_tokio;

use std::process::exit;
use support::Samples;

const NOT_TAKEN: i32 = 64;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args[0].as_str() {
        "empty" => return,
        "start" => return with_rustix::start(),
        _ => (),
    }
    let numbers: Vec<usize> = args[3..].iter().map(|text| text.parse().unwrap()).collect();
    match take(&args[0], &args[1], &args[2], &numbers) {
        Some(samples) => print(&samples),
        None => exit(NOT_TAKEN),
    }
}

fn take(way: &str, measure: &str, helpers: &str, numbers: &[usize]) -> Option<Samples> {
    Some(match (way, measure) {
        ("rustix", "call") => with_rustix::call(helpers, numbers[0], numbers[1]),
        ("rustix", "latency") => with_rustix::latency(helpers, numbers[0], numbers[1]),
        ("rustix", "scale") => with_rustix::scale(helpers, numbers[0]),
        ("tokio", "latency") => with_tokio::latency(helpers, numbers[0], numbers[1]),
        ("tokio", "spawn") => with_tokio::spawn(numbers[0], numbers[1]),
        ("tokio", "throughput") => with_tokio::throughput(helpers, numbers[0], numbers[1]),
        ("tokio", "scale") => with_tokio::scale(helpers, numbers[0]),
        ("pidfd-util", "call") => crates::call(helpers, numbers[0], numbers[1]),
        ("pidfd-util", "latency") => {
            crates::latency::<crates::PidfdUtil>(helpers, numbers[0], numbers[1])
        }
        ("pidfd-util", "scale") => crates::scale::<crates::PidfdUtil>(helpers, numbers[0]),
        ("async-pidfd", "latency") => {
            crates::latency::<crates::AsyncPidfd>(helpers, numbers[0], numbers[1])
        }
        ("async-pidfd", "scale") => crates::scale::<crates::AsyncPidfd>(helpers, numbers[0]),
        ("pidfd", "latency") => crates::latency::<crates::Pidfd>(helpers, numbers[0], numbers[1]),
        ("pidfd", "scale") => crates::scale::<crates::Pidfd>(helpers, numbers[0]),
        _ => return None,
    })
}

fn print(samples: &Samples) {
    let figures: Vec<String> = samples
        .iter()
        .map(|(name, values)| format!("\"{name}\":{values:?}"))
        .collect();
    println!("{{{}}}", figures.join(","));
}

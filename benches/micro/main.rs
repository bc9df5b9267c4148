//! Micro-benchmarks: times with `cargo bench --bench micro`, and counts of instructions with `cargo test --bench micro`.

mod counts;
mod workloads;

use std::hint::black_box;

use criterion::Criterion;

use crate::workloads::{ALL, Inputs};

/// `cargo bench` passes `--bench`, `cargo test` does not.
fn main() -> anyhow::Result<()> {
    let inputs = Inputs::prepare()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name] = arguments.as_slice()
        && first == counts::RUN
    {
        return counts::run(&inputs, name);
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return counts::check();
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, work) in ALL {
        criterion.bench_function(name, |bencher| bencher.iter(|| work(black_box(&inputs))));
    }
    criterion.final_summary();
    Ok(())
}

//! The operator is ended between any two of its effects, and nothing is lost or done twice.
//!
//! For each workload a run without a fault shows how it should end and how many effects there are. Then it is run again
//! for every place before and after an effect, each time in a namespace and with a service of its own: the process ends
//! exactly there, and is started again. What there is in the end, and how often each object was created, reset and
//! deleted, must be as without the fault. The same for lost answers and for lists that cannot be had after a crash.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use industrydata_simulator::Operation;
use industrydata_testbed::measured;

mod run;
mod state;
mod workload;

use run::{Ended, Fault, How, Run};
use workload::Workload;

/// Runs at a time. They mostly wait.
const CONCURRENCY: usize = 10;

/// How often a workload was run with a fault, and how often the process was killed in it.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    runs: usize,
    kills: usize,
}

/// Sweeps over workloads until something is wrong.
async fn sweep(
    workloads: &[Workload],
    broken: &str,
) -> Result<BTreeMap<&'static str, Count>, String> {
    let clean = stream::iter(workloads)
        .map(async |workload| {
            let ended = Run::execute(*workload, Fault::Nothing, How::swept(broken), None).await;
            ended.map(|ended| (*workload, ended))
        })
        .buffered(CONCURRENCY);
    let clean: Vec<(Workload, Ended)> = clean.try_collect().await?;
    let runs = clean.iter().flat_map(|(workload, clean)| {
        let faults = faults(clean).into_iter();
        faults.map(move |fault| (*workload, clean, fault))
    });
    let ended = stream::iter(runs)
        .map(async |(workload, clean, fault)| {
            let ended =
                Run::execute(workload, fault, How::swept(broken), Some(&clean.state)).await?;
            Ok::<_, String>((workload, ended.killed))
        })
        .buffer_unordered(CONCURRENCY);
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut ended = std::pin::pin!(ended);
    while let Some((workload, killed)) = ended.try_next().await? {
        let count = counts.entry(workload.name()).or_default();
        count.runs += 1;
        count.kills += usize::from(killed);
    }
    Ok(counts)
}

/// All that can happen to a workload, the slow first.
fn faults(clean: &Ended) -> Vec<Fault> {
    let changes = || clean.changes.iter().copied();
    let outages = changes().map(Fault::KillAndNoLists);
    let losses = changes().map(Fault::LostAnswer);
    let kills = (1..=clean.passes).map(Fault::Kill);
    let held_back = (0..3).map(Fault::HeldBack);
    outages
        .chain(losses)
        .chain(held_back)
        .chain(kills)
        .collect()
}

/// `WORKLOAD=reset` restricts the sweep to workloads with this in their name.
#[tokio::test(flavor = "multi_thread")]
async fn f01_whatever_a_crash_interrupts_is_done_once_and_whole() {
    let start = Instant::now();
    let only = std::env::var("WORKLOAD").unwrap_or_default();
    let wanted = Workload::ALL
        .iter()
        .filter(|workload| workload.name().contains(&only));
    let workloads: Vec<Workload> = wanted.copied().collect();
    let counts = sweep(&workloads, "").await;
    let counts = counts.unwrap_or_else(|violation| panic!("{violation}"));
    for workload in &workloads {
        let Count { runs, kills } = counts[workload.name()];
        let figure = format!("{runs} runs with a fault, {kills} of them with a kill");
        measured(&format!("crash sweep: {}", workload.name()), &figure).unwrap();
        assert!(kills >= 8, "{workload:?} was hardly interrupted");
    }
    println!("{} workloads in {:?}", workloads.len(), start.elapsed());
}

/// The process ends just before and just after what must not be done twice, or the answer to that is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_next_to_a_change_is_survived_with_the_operators_own_times() {
    let how = How {
        broken: "",
        shorter: None,
    };
    let workloads = [
        (Workload::CreateFlow, Operation::CreateFlow),
        (Workload::ResetFlow, Operation::ResetFlow),
    ];
    let ways = workloads.map(async |(workload, change)| {
        let clean = Run::execute(workload, Fault::Nothing, how, None).await?;
        // The intent is the first effect, with a point before and one after it.
        let faults = [Fault::Kill(3), Fault::Kill(4), Fault::LostAnswer(change)];
        let runs = faults.map(|fault| Run::execute(workload, fault, how, Some(&clean.state)));
        try_join_all(runs).await.map(|_| ())
    });
    if let Err(violation) = try_join_all(ways).await {
        panic!("{violation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_broken_variant_is_caught_by_the_sweep_without_intent() {
    assert_caught("no-intent=return").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_broken_variant_is_caught_by_the_sweep_ambiguous_is_refusal() {
    assert_caught("ambiguous-is-refusal=return").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_broken_variant_is_caught_by_the_sweep_unreadable_is_empty() {
    assert_caught("unreadable-is-empty=return").await;
}

/// The sweep finds a mistake that was made on purpose, wherever something is created.
async fn assert_caught(broken: &str) {
    for workload in [Workload::CreateSet, Workload::CreateFlow] {
        let violation = sweep(&[workload], broken).await.err();
        let violation =
            violation.unwrap_or_else(|| panic!("{broken} in {workload:?} is not noticed"));
        println!("{broken}: {}", violation.lines().next().unwrap());
    }
}

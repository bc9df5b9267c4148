//! Nothing happens, and nothing fails: what a healthy system looks like under the flags that people get.

use std::time::Duration;

use industrydata_simulator::Options;

use crate::process::Launch;
use crate::stage::{QUICK, SAMPLES, Stage, sample};

/// Renewals that have to be seen: with the usual lease one each 2 s. Connections have been idle between them, for the
/// whole of their time-out where that was a period long, and for longer than a pool keeps them where it serves other
/// requests.
const RENEWALS: u64 = 45;

/// Every third renewal failed when the lease client's read time-out was a period long, and ran on an idle connection.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_operator_renews_its_lease_without_fail() {
    let stage = Stage::set_up("calm-lease", Options::default()).await;
    let mut launch = Launch::on(&stage);
    for (flag, _) in QUICK {
        launch = launch.without(flag);
    }
    let process = launch.flag("--log-level", "info").start().await;
    for file in SAMPLES {
        stage.apply(&sample(file)).await.unwrap();
    }

    let renewed = async {
        while renewals(&process.get("/metrics").await.1) < RENEWALS {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(4), renewed).await;
    assert!(in_time.is_ok(), "the lease is renewed all the time");

    let log = process.log();
    let complaints = log
        .lines()
        .filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
    process.stop().await;
}

fn renewals(metrics: &str) -> u64 {
    let of_the_lease = |line: &&str| line.contains("kind=\"Lease\"");
    let line = metrics.lines().find(of_the_lease);
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0, |value| value.parse().unwrap())
}

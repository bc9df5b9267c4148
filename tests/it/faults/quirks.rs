//! F10: answers that are legal and unexpected, or lead astray.

use std::net::TcpListener;

use futures::future::join_all;
use industrydata_simulator::{Effect, NextLink, Operation, Quirk, Reception, Rule};
use serde_json::json;

use super::{LISTS, open, open_shortened, spoilt_for};
use crate::manifests::names;
use crate::oracle::{all_ready, assert_healed};
use crate::times;

#[tokio::test(flavor = "multi_thread")]
async fn f10_words_and_properties_that_nobody_expects_change_nothing() {
    let missing = |name: &str| Quirk::Missing(name.to_owned());
    let quirks = [
        Quirk::Readiness("unknownFutureValue".to_owned()),
        Quirk::ExtraFields,
        Quirk::LoudIds,
        Quirk::Reordered,
        missing("id"),
        missing("displayName"),
        missing("readinessStatus"),
        missing("createdDateTime"),
        missing("lastModifiedDateTime"),
    ];
    let envs = (0..).zip(quirks);
    join_all(envs.map(|(place, quirk)| assert_unmoved_by(place, quirk))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_known_flow_whose_type_is_not_told_is_not_made_anew() {
    let quirk = Quirk::Missing("@odata.type".to_owned());
    assert_unmoved_by(9, quirk).await;
}

/// What exists and is ready is left alone while the lists are odd, for twice as long as a change may take to show: the
/// lists of sets with their flows, and those of the flows alone.
async fn assert_unmoved_by(place: usize, quirk: Quirk) {
    let env = open_shortened(&format!("f10-{place}")).await;
    env.apply_pairs(&names(4)).await;
    all_ready(&env).await;
    let before = env.changes();
    let what = format!("{quirk:?}");
    let odd = Rule::new(Effect::Quirk(quirk)).always();
    for operation in LISTS {
        env.simulator.inject(odd.clone().on(operation));
    }
    let long = times::FAULTS.window() * 2;
    let odd = async |operation| spoilt_for(&env, operation, long);
    env.until("odd sweeps", async || odd(Operation::ListSets).await)
        .await;
    env.simulator
        .configure(|behavior| behavior.query.expand = Reception::Refuse);
    env.until("odd lists", async || odd(Operation::ListFlows).await)
        .await;
    assert_eq!(env.changes(), before, "{what}");
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(env.changes(), before, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_link_in_a_circle_or_to_another_host_is_not_followed() {
    let env = open("f10-links").await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let foreign = format!("http://{}", elsewhere.local_addr().unwrap());
    let links = [NextLink::Foreign(foreign), NextLink::Loop];
    for operation in LISTS {
        env.meet(operation, links.clone().map(Effect::NextLink));
    }
    env.apply_pairs(&names(1)).await;
    assert_healed(&env).await;
    assert_eq!(env.changes(), 2);
    let journal = env.simulator.journal();
    let astray = journal.count(|entry| entry.faults.iter().any(|fault| fault.contains("nextLink")));
    assert_eq!(astray, 4);
    let connected = elsewhere.accept().map_err(|error| error.kind());
    assert!(
        matches!(connected, Err(std::io::ErrorKind::WouldBlock)),
        "{connected:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_hostile_service_is_survived() {
    join_all([1, 2, 3].map(survive)).await;
}

async fn survive(seed: u64) {
    let env = open_shortened(&format!("f10-hostile-{seed}")).await;
    env.simulator.set_hostile(seed, 0.2);
    env.apply_samples().await;
    let troubled = async || {
        let tally = env.simulator.journal().tally();
        tally.faults > 10 && tally.committed.get(&Operation::CreateFlow) == Some(&4)
    };
    env.until("trouble", troubled).await;
    for flow in ["north-security-groups", "north-users"] {
        env.patch_flow(flow, json!({ "resetToken": "once" })).await;
    }
    env.simulator.set_calm();
    assert_healed(&env).await;
    let journal = env.simulator.journal();
    for flow in journal
        .entries()
        .iter()
        .filter_map(|entry| entry.flow.as_ref())
    {
        assert!(journal.resets(flow) <= 1, "seed {seed}: {flow}");
    }
}

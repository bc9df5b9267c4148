//! The lists of all tenants together have a bound, whatever each of them may have.

use std::time::Duration;

use industrydata_simulator::{Effect, Operation, Quirk, Rule};
use kube::api::ListParams;
use serde_json::json;

use super::memory::{MemoryGroup, assert_bounded};
use crate::conditions::{is_ready, ready};
use crate::manifests::{connection, groups_by_id, groups_in, set, unit_options, with};
use crate::process::Launch;
use crate::test_env::{TestEnv, lenient};

const TENANTS: usize = 6;

/// Lists of 5 pages with 50 flows of 100 KiB each: 25 MiB, and 150 MiB for all tenants.
const PAGES: usize = 5;
const ITEMS: usize = 50;
const PADDING: usize = 100 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_many_tenants_do_not_fill_the_memory_together() {
    let env = TestEnv::set_up("memory-tenants", lenient(Duration::ZERO)).await;
    let group = MemoryGroup::create("industrydata-many-lists");
    let launch = Launch::on(&env);
    let mut program = match &group {
        Some(group) => launch.within(&group.processes()).start().await,
        None => launch.start().await,
    };
    let id = large_set(&env);
    env.apply(connection()).await.unwrap();
    for number in 0..TENANTS {
        let name = format!("tenant-{number}");
        let mut tenant = connection()["items"][1].clone();
        tenant["metadata"]["name"] = json!(name);
        let through = json!({ "connectionRef": { "name": name }, "managementPolicy": "Observe" });
        env.apply_all([tenant, with(groups_by_id(&name, &id), &through)])
            .await;
    }
    let pages = || env.simulator.journal().lists(&id);
    let enough = pages() + 2 * TENANTS * PAGES;
    env.until("large lists", async || pages() >= enough).await;
    let has_no_room = async || {
        let flows = env.flows().list(&ListParams::default()).await.unwrap();
        flows
            .iter()
            .any(|flow| ready(flow).ends_with("/UnexpectedAnswer"))
    };
    env.until("a list without room", has_no_room).await;

    // Another tenant is served meanwhile.
    env.apply_all([set("small"), groups_in("small", "small")])
        .await;
    env.flow_where("small", is_ready).await;
    assert_bounded(&mut program);
    program.stop().await;
}

/// A set with flows that take 25 MiB, and its id.
fn large_set(env: &TestEnv) -> String {
    let set = env.simulator.create_set(&json!({ "displayName": "large" }));
    let id = set.unwrap();
    let mut unit = unit_options();
    unit["@odata.type"] = json!("#microsoft.graph.industryData.administrativeUnitProvisioningFlow");
    for _ in 0..PAGES {
        env.simulator.create_flow(&id, &unit).unwrap();
    }
    let padded = json!({ "padding": "x".repeat(PADDING) });
    for effect in [
        Effect::PageSize(1),
        Effect::Quirk(Quirk::Copied(ITEMS)),
        Effect::Quirk(Quirk::Member("creationOptions".to_owned(), padded)),
    ] {
        let rule = Rule::new(effect).on(Operation::ListFlows).path_part(&id);
        env.simulator.inject(rule.always());
    }
    id
}

//! What people ask for by annotation, and what they are shown.

use industrydata_operator::api::ProvisioningFlow;
use serde_json::json;

use crate::conditions::told;
use crate::faults::with_pairs;

#[tokio::test(flavor = "multi_thread")]
async fn any_new_value_of_either_annotation_is_a_request_and_is_echoed() {
    const OURS: &str = "industrydata.dev/requested-at";
    const FLUX: &str = "reconcile.fluxcd.io/requestedAt";
    let (env, names) = with_pairs("requested-at", 1).await;
    for (key, value) in [
        (OURS, "today-1"),
        (FLUX, "1764161211"),
        (OURS, "2026-11-26T12:00:00Z"),
        (FLUX, "1764161212"),
        (FLUX, "9"),
        (OURS, "again"),
        (OURS, "0"),
        (FLUX, "2025-11-26T12:00:00.5Z"),
    ] {
        env.annotate_flow(&names[0], key, value).await;
        let echoed = |flow: &ProvisioningFlow| {
            let status = flow.status.as_ref().unwrap();
            status.last_handled_reconcile_at.as_deref() == Some(value)
        };
        env.flow_where(&names[0], echoed).await;
    }
    env.polls(2).await;
    let start = env.audit_position();
    env.polls(4).await;
    assert_eq!(env.writes_since(start), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_is_suspended_is_shown_as_suspended() {
    let (env, names) = with_pairs("suspended-shown", 1).await;
    env.patch_flow(&names[0], json!({ "suspend": true })).await;
    let observed = |flow: &ProvisioningFlow| {
        let status = flow.status.as_ref().unwrap();
        let synced = told(flow, "Synced");
        Some(status.observed_generation) == flow.metadata.generation && !synced.is_empty()
    };
    env.flow_where(&names[0], observed).await;
    let shown = ["get", "pflow", &names[0], "--output", "wide"];
    let shown = env.kubectl(&shown).await.unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let column = lines[0].find("REASON").unwrap();
    let reason = lines[1][column..].split_whitespace().next();
    assert_eq!(reason, Some("Suspended"), "{shown}");
}

//! Whatever the service returns, the status can be written.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::api::DriftPolicy;
use crate::graph::model::{KnownProperties, displayable};
use crate::plan::text::{MAX_DRIFT, MAX_MESSAGE};

/// Far below 1.5 MiB, the limit for an object.
const MAX_STATUS: usize = 256 * 1024;

const CONFIGURATIONS: usize = 40;

fn words() -> impl Strategy<Value = String> {
    let text = prop_oneof![any::<String>(), "[a-z\u{202D}-\u{202E}\u{2066}🏫]{1,9}"];
    (text, select(vec![1, 100, 4000])).prop_map(|(text, times)| text.repeat(times))
}

/// A user flow with many configurations, whose licences are these.
fn configurations(licence: &str) -> Vec<Value> {
    let one =
        |place: usize| json!({ "roleGroup": format!("group-{place}"), "licenseSkus": [licence] });
    (0..CONFIGURATIONS).map(one).collect()
}

fn shown(words: &[String; 4]) -> Option<Flow> {
    let [readiness, created, modified, licence] = words;
    let licence: String = licence.chars().take(500).collect();
    let mut configurations = configurations(&licence);
    for configuration in &mut configurations {
        configuration["roleGroup"] = json!({ "id": configuration["roleGroup"] });
    }
    let flow = json!({
        "@odata.type": FlowType::User.odata_type(),
        "id": id(1),
        "readinessStatus": readiness,
        "createdDateTime": created,
        "lastModifiedDateTime": modified,
        "managementOptions": { "additionalAttributes": words, "additionalOptions": readiness },
        "creationOptions": { "configurations": configurations },
    });
    Flow::parse(flow.to_string().as_bytes(), &KnownProperties::default()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_status_can_be_written_whatever_the_service_returns(
        lists in prop::collection::vec([words(), words(), words(), words()], 1..5),
    ) {
        let spec = json!({ "user": {
            "managementOptions": { "additionalOptions": {} },
            "creationOptions": { "configurations": configurations("11111111-2222-3333-4444-555555555555") },
        } });
        let mut world = owned(flow_of(&spec).with(|spec| spec.drift_policy = DriftPolicy::Report));
        for words in lists.iter().cycle().take(12) {
            let Some(flow) = shown(words) else {
                continue;
            };
            let now = world.now;
            world.service.meddle(now, |flows| flows[0] = flow);
            world.poll();
            world.reconcile();
            let status = world.status();
            prop_assert_eq!(status.drift.len(), MAX_DRIFT);
            prop_assert!(status.drift[MAX_DRIFT - 1].desired.ends_with(" more"));
            let text = serde_json::to_string(status).unwrap();
            prop_assert!(text.len() < MAX_STATUS, "{}", text.len());
            prop_assert_eq!(&displayable(&text, text.len()), &text);
        }
    }
}

#[test]
fn a_message_about_what_a_user_wrote_is_cut() {
    let resource = small()
        .held()
        .annotated(annotation::REMOTE_ID, &"x".repeat(200_000));
    let theirs = remote_flow(1, &resource, 10);
    let plan = plan(&input(resource, Some(vec![theirs])));
    assert_eq!(stalled(&plan), "True/RemoteIdNotFound");
    for condition in &plan.status.conditions {
        assert!(condition.message.chars().count() <= MAX_MESSAGE);
    }
}

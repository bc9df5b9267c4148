//! One object costs no other one its place in a list, whatever the API server has accepted in it.

use kube::api::{ObjectList, WatchEvent};
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::clients::answer_filter::{AnswerFilter, KeptMetadata};
use crate::plan::testing::{connection, flow, flow_set};

/// What any member can be, if no schema forbids it.
fn values() -> impl Strategy<Value = Value> {
    let words = vec![
        "",
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "0000-00-00T99:99:99Z",
        "\u{202e}\u{0}\u{feff}\u{1f468}\u{200d}\u{1f469}",
        "../../other/secrets/x",
        "-1e999",
    ];
    let numbers = vec![i64::MIN, -1, 0, i64::from(i32::MAX) + 1, i64::MAX];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(numbers).prop_map(Value::from),
        Just(json!(u64::MAX)),
        any::<f64>().prop_map(Value::from),
        select(words).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(Value::from("x".repeat(300_000))),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, {}, [[]]])),
        Just(json!({ "unknown": { "": [1, "x"] } })),
    ]
}

/// Metadata that the API server accepts from any client.
fn metadata() -> impl Strategy<Value = Value> {
    let times = vec![
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "-001-12-31T00:00:00Z",
        "0001-01-01T00:00:00Z",
    ];
    let texts = prop::collection::hash_map("\\PC{0,20}", ".{0,60}", 0..4);
    (select(times), texts, any::<i64>()).prop_map(|(time, texts, number)| {
        json!({
            "annotations": texts,
            "labels": texts,
            "finalizers": texts.values().collect::<Vec<_>>(),
            "generation": number,
            "deletionGracePeriodSeconds": number,
            "creationTimestamp": time,
            "deletionTimestamp": time,
            "managedFields": [{ "manager": "odd", "operation": "Update", "time": time, "fieldsV1": {} }],
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": time, "uid": time }],
        })
    })
}

/// Replaces the member at a place that `picks` choose.
fn replace(value: &mut Value, picks: &[usize], with: Value) {
    let [pick, rest @ ..] = picks else {
        *value = with;
        return;
    };
    let member = match value {
        Value::Object(members) if !members.is_empty() => {
            let count = members.len();
            members.values_mut().nth(pick % count)
        }
        Value::Array(items) if !items.is_empty() => {
            let count = items.len();
            items.get_mut(pick % count)
        }
        _ => None,
    };
    match member {
        Some(member) => replace(member, rest, with),
        None => *value = with,
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    let mut kept = Vec::new();
    AnswerFilter::new(KeptMetadata::All).pass(value.to_string().as_bytes(), &mut kept);
    serde_json::from_slice(&readable(&Bytes::from(kept))).unwrap()
}

/// Whether the operator reads a list and an event with an odd object.
fn check<K>(plain: &Value, odd: &Value) -> bool
where
    K: DeserializeOwned + Resource<DynamicType = ()> + Clone + std::fmt::Debug,
{
    let list = json!({ "metadata": { "resourceVersion": "1" }, "items": [plain, odd, plain] });
    let list: ObjectList<DeserializeGuard<K>> = read(&list);
    let [before, odd_one, after] = list.items.as_slice() else {
        panic!("{} objects", list.items.len());
    };
    for other in [before, after] {
        assert_eq!(
            other.0.as_ref().unwrap().name_any(),
            plain["metadata"]["name"]
        );
    }
    let event: WatchEvent<DeserializeGuard<K>> =
        read(&json!({ "type": "MODIFIED", "object": odd }));
    assert!(matches!(event, WatchEvent::Modified(_)));
    odd_one.0.is_ok()
}

fn check_kind(kind: usize, change: impl FnOnce(&mut Value)) -> bool {
    let plain = match kind {
        0 => json!(connection()),
        1 => json!(flow_set()),
        _ => json!(flow(crate::graph::model::FlowType::User)),
    };
    let mut odd = plain.clone();
    change(&mut odd);
    match kind {
        0 => check::<GraphConnection>(&plain, &odd),
        1 => check::<OutboundProvisioningFlowSet>(&plain, &odd),
        _ => check::<ProvisioningFlow>(&plain, &odd),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn odd_content_costs_at_most_its_own_object(
        kind in 0..3_usize,
        section in select(vec!["spec", "status"]),
        picks in prop::collection::vec(0..100_usize, 0..6),
        value in values(),
    ) {
        check_kind(kind, |odd| replace(&mut odd[section], &picks, value));
    }

    #[test]
    fn odd_metadata_costs_no_object(kind in 0..3_usize, metadata in metadata()) {
        let is_read = check_kind(kind, |odd| {
            let members = odd["metadata"].as_object_mut().unwrap();
            members.extend(metadata.as_object().unwrap().clone());
        });
        prop_assert!(is_read);
    }
}

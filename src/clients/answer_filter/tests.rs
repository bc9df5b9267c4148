use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// The annotations of the operator that these tests use.
const OURS: [&str; 3] = [
    "industrydata.dev/remote-id",
    "industrydata.dev/reset-requested-at",
    "reconcile.fluxcd.io/requestedAt",
];

fn used() -> KeptMetadata {
    KeptMetadata::Used {
        labels: Arc::new(BTreeSet::from(["team".to_owned()])),
    }
}

/// Passes a text in pieces of this size.
fn filtered(kept: KeptMetadata, text: &str, piece: usize) -> String {
    let mut filter = AnswerFilter::new(kept);
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(piece) {
        filter.pass(piece, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn object() -> Value {
    json!({
        "kind": "ProvisioningFlow",
        "metadata": {
            "name": "users",
            "annotations": {
                "industrydata.dev/remote-id": "1",
                "kubectl.kubernetes.io/last-applied-configuration": "{\"a\":\"}\\\\\"}",
                "reconcile.fluxcd.io/requestedAt": "2",
                "industrydata.dev/unknown": "x",
                "theirs": "x",
            },
            "finalizers": ["theirs/finalizer", "industrydata.dev/finalizer"],
            "labels": { "app": "x", "team": "north" },
            "managedFields": [{ "fieldsV1": { "f:metadata": { "f:annotations": {} } } }],
            "ownerReferences": [{ "name": "owner", "uid": "3" }],
            "uid": "4",
        },
        "spec": {
            "metadata": { "annotations": { "theirs": "kept" } },
            "items": [{ "metadata": { "labels": { "theirs": "kept" } } }],
        },
        "status": null,
    })
}

/// The same without what is not used, by looking at the tree.
fn slim(mut object: Value) -> Value {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
        return object;
    };
    metadata.remove("managedFields");
    metadata.remove("ownerReferences");
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|name, _| OURS.contains(&name.as_str()));
    }
    if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
        labels.retain(|name, _| name == "team");
    }
    object
}

#[test]
fn what_is_used_of_an_object_a_list_and_an_event_is_kept() {
    let (object, slim) = (object(), slim(object()));
    assert_eq!(slim["metadata"]["finalizers"].as_array().unwrap().len(), 2);
    let cases = [
        (object.clone(), slim.clone()),
        (
            json!({ "items": [object, object, 7], "metadata": { "resourceVersion": "5" } }),
            json!({ "items": [slim, slim, 7], "metadata": { "resourceVersion": "5" } }),
        ),
        (
            json!({ "object": object, "type": "ADDED" }),
            json!({ "object": slim, "type": "ADDED" }),
        ),
    ];
    for (whole, expected) in cases {
        for text in [whole.to_string(), format!("{whole:#}")] {
            for piece in [1, 2, 3, 7, 64, text.len()] {
                let passed: Value = serde_json::from_str(&filtered(used(), &text, piece)).unwrap();
                assert_eq!(passed, expected, "pieces of {piece}");
            }
        }
    }
}

#[test]
fn events_of_a_watch_keep_their_lines() {
    let event = json!({ "type": "MODIFIED", "object": object() });
    let passed = filtered(used(), &format!("{event}\n{event}\n"), 11);
    let lines: Vec<&str> = passed.lines().collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["object"], slim(object()));
    }
    assert!(passed.ends_with('\n'));
}

#[test]
fn a_lease_keeps_all_but_its_managed_fields() {
    let mut expected = object();
    let metadata = expected["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    let passed = filtered(KeptMetadata::All, &object().to_string(), 5);
    assert_eq!(serde_json::from_str::<Value>(&passed).unwrap(), expected);
}

#[test]
fn what_is_no_object_passes_unchanged() {
    for text in [
        "<html>{\"a\" : 1}</html>",
        "",
        "ok",
        "[ {\"metadata\" : { \"labels\" : 1 } } ]",
        "7 8",
        "\"{\"",
    ] {
        for piece in [1, 3, 100] {
            assert_eq!(filtered(used(), text, piece), text);
        }
    }
}

#[test]
fn what_is_not_kept_takes_no_memory() {
    let mut filter = AnswerFilter::new(used());
    let mut out = Vec::new();
    filter.pass(br#"{"metadata":{"annotations":{"theirs":""#, &mut out);
    let before = out.len();
    for _ in 0..1024 {
        filter.pass(&[b'x'; 1024], &mut out);
    }
    assert_eq!(out.len(), before);
    filter.pass(br#"","industrydata.dev/abandon":"true"}}}"#, &mut out);
    assert!(out.capacity() < 1024, "{}", out.capacity());
    let left: Value = serde_json::from_slice(&out).unwrap();
    let expected = json!({ "annotations": { "industrydata.dev/abandon": "true" } });
    assert_eq!(left["metadata"], expected);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("metadata".to_owned()),
        Just("annotations".to_owned()),
        Just("labels".to_owned()),
        Just("managedFields".to_owned()),
        Just("items".to_owned()),
        Just("object".to_owned()),
        Just("team".to_owned()),
        Just("industrydata.dev/reset-requested-at".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..5)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_is_as_if_its_tree_had_been_cut(mut answer in values(), piece in 1..40_usize, is_pretty: bool) {
        let text = if is_pretty { format!("{answer:#}") } else { answer.to_string() };
        let passed = filtered(used(), &text, piece);
        if !answer.is_object() {
            prop_assert_eq!(passed, text);
            return Ok(());
        }
        if let Some(Value::Array(items)) = answer.get_mut("items") {
            for item in items {
                *item = slim(item.take());
            }
        }
        if let Some(seen) = answer.get_mut("object") {
            *seen = slim(seen.take());
        }
        let passed: Value = serde_json::from_str(&passed).unwrap();
        prop_assert_eq!(passed, slim(answer));
    }
}

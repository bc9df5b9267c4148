//! Replaces values in responses that the API server accepts from any client and that the types here cannot represent.
//!
//! The API server accepts `9999-12-31T23:59:59Z` and even the year 10000 as a time; the range of `jiff` ends a day
//! earlier. One such time in one object would make a whole list unreadable, and with it the watch of a kind, for all
//! tenants. Before a response is parsed, a time outside the range is replaced with the last one in it: in metadata, in
//! conditions, which other clients may write, and in a Lease. No decision depends on these times. All other members of a
//! status belong to the operator; a resource in which another client has corrupted them is reported as unreadable. The
//! times in `metadata.managedFields` were removed with it (`answer_filter.rs`).
//!
//! Text that is not JSON is passed on unchanged.

use hyper::body::Bytes;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

mod times;

/// Last second in the range of `jiff`.
const LAST: &str = "9999-12-30T22:00:00Z";

const METADATA_TIMES: [&str; 2] = ["creationTimestamp", "deletionTimestamp"];
const CONDITION_TIMES: [&str; 1] = ["lastTransitionTime"];
const LEASE_TIMES: [&str; 2] = ["acquireTime", "renewTime"];

/// Returns a readable copy of a response with one object, a list of objects, or one event of a watch. Nearly all responses
/// are readable, and are returned as they are.
pub(super) fn readable(answer: &Bytes) -> Bytes {
    let names = [&METADATA_TIMES[..], &CONDITION_TIMES, &LEASE_TIMES].concat();
    if times::are_valid(answer, &names) {
        return answer.clone();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(answer) else {
        return answer.clone();
    };
    if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(object);
    } else if let Some(seen) = value.get_mut("object") {
        object(seen);
    } else {
        object(&mut value);
    }
    let Ok(mut text) = serde_json::to_vec(&value) else {
        return answer.clone();
    };
    // A line break ends an event of a watch.
    if answer.ends_with(b"\n") {
        text.push(b'\n');
    }
    Bytes::from(text)
}

fn object(object: &mut Value) {
    let is_lease = object["kind"] == "Lease";
    if let Some(metadata) = object.get_mut("metadata") {
        replace(metadata, &METADATA_TIMES);
    }
    let conditions = object.pointer_mut("/status/conditions");
    for condition in conditions
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        replace(condition, &CONDITION_TIMES);
    }
    if let Some(spec) = object.get_mut("spec").filter(|_| is_lease) {
        replace(spec, &LEASE_TIMES);
    }
}

/// Replaces those of the members that are not a valid time.
fn replace(value: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(Value::String(text)) = value.get_mut(name)
            && text.parse::<Timestamp>().is_err()
        {
            LAST.clone_into(text);
        }
    }
}

#[cfg(test)]
mod mutations;

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::Lease;
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::{ObjectList, WatchEvent};
    use kube::core::PartialObjectMeta;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;
    use crate::api::ProvisioningFlow;

    const ODD: [&str; 3] = [
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "-001-12-31T00:00:00Z",
    ];

    fn read<T: DeserializeOwned>(value: &Value) -> T {
        let text = Bytes::from(value.to_string());
        serde_json::from_slice(&readable(&text)).unwrap()
    }

    fn metadata(odd: &str) -> Value {
        json!({
            "name": "odd",
            "uid": "1",
            "resourceVersion": "2",
            "creationTimestamp": odd,
        })
    }

    fn flow(odd: &str) -> Value {
        json!({
            "apiVersion": "industrydata.dev/v1alpha1",
            "kind": "ProvisioningFlow",
            "metadata": metadata(odd),
            "spec": { "flowSetRef": { "name": "since" }, "securityGroup": { "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false } } },
            "status": {
                "observedGeneration": 1,
                                "conditions": [{ "type": "Ready", "status": "True", "reason": "Ready", "message": odd, "lastTransitionTime": odd }],
            },
        })
    }

    #[test]
    fn an_odd_time_costs_neither_the_object_nor_its_list() {
        for odd in ODD {
            let secret = json!({ "metadata": metadata(odd), "data": { "time": "eA==" } });
            let list = json!({ "metadata": {}, "items": [secret, secret] });
            let read_list: ObjectList<Secret> = read(&list);
            assert_eq!(read_list.items.len(), 2);
            assert_eq!(read_list.items[0].data.as_ref().unwrap()["time"].0, b"x");

            let partial: PartialObjectMeta<Secret> = read(&json!({
                "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadata",
                "metadata": metadata(odd),
            }));
            assert_eq!(partial.metadata.uid.as_deref(), Some("1"));
        }
    }

    #[test]
    fn odd_times_in_a_status_and_in_an_event_of_a_watch_are_read() {
        for odd in ODD {
            let event: WatchEvent<ProvisioningFlow> =
                read(&json!({ "type": "MODIFIED", "object": flow(odd) }));
            let WatchEvent::Modified(flow) = event else {
                panic!("another event");
            };
            let status = flow.status.unwrap();
            assert_eq!(status.conditions[0].message, odd, "text is left alone");
            let last: Timestamp = LAST.parse().unwrap();
            assert_eq!(status.conditions[0].last_transition_time.0, last);
        }
    }

    #[test]
    fn a_lease_with_odd_times_keeps_its_holder() {
        for odd in ODD {
            let lease: Lease = read(&json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata(odd),
                "spec": { "holderIdentity": "one", "acquireTime": odd, "renewTime": odd },
            }));
            assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some("one"));
        }
    }

    #[test]
    fn usual_times_and_specs_are_left_alone() {
        let time = "2026-01-05T08:00:00Z";
        let mut whole = flow(time);
        whole["spec"]["renewTime"] = json!(ODD[0]);
        whole["metadata"]["annotations"] = json!({ "creationTimestamp": "x" });
        let read: Value = read(&whole);
        assert_eq!(read, whole);
    }

    #[test]
    fn an_event_keeps_its_line_break() {
        for time in ["2026-01-05T08:00:00Z", ODD[0]] {
            let event = json!({ "type": "ADDED", "object": flow(time) }).to_string() + "\n";
            let event = readable(&Bytes::from(event));
            let line = event.strip_suffix(b"\n");
            assert!(line.is_some_and(|line| !line.contains(&b'\n')), "{time}");
        }
    }

    #[test]
    fn what_is_not_json_passes() {
        let text = Bytes::from_static(b"<html>");
        assert_eq!(readable(&text), text);
    }
}

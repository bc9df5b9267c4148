//! Takes out of what the API server answers what it accepts from anybody and the types here do not.
//!
//! The API server takes `9999-12-31T23:59:59Z` and even the year 10000 for a time; `jiff` ends a day before. One such
//! time in one object would make a whole list unreadable, and with it the watch of a kind, for all tenants. So before an
//! answer is parsed:
//!
//! * `metadata.managedFields` are dropped. Nobody here reads them, anybody may write times into them, and they are the
//!   larger part of many objects.
//! * A time that cannot be held becomes the last one that can. That goes for times that people with a right to the object
//!   can set: of conditions and the rest of a status, and of a Lease.
//!
//! What is not JSON passes as it is.

use hyper::body::Bytes;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// The last second that `jiff` holds.
const LAST: &str = "9999-12-30T22:00:00Z";

/// An answer with one object or a list of them, or one event of a watch.
pub(super) fn readable(answer: &Bytes) -> Bytes {
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
    serde_json::to_vec(&value).map_or_else(|_| answer.clone(), Bytes::from)
}

fn object(object: &mut Value) {
    let is_lease = object["kind"] == "Lease";
    if let Some(metadata) = object.get_mut("metadata") {
        if let Some(members) = metadata.as_object_mut() {
            members.remove("managedFields");
        }
        times(metadata);
    }
    if let Some(status) = object.get_mut("status") {
        times(status);
    }
    if let Some(spec) = object.get_mut("spec").filter(|_| is_lease) {
        times(spec);
    }
}

/// Mends the times in a value, however deep.
fn times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(times),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if is_time(name) && text.parse::<Timestamp>().is_err() => {
                        LAST.clone_into(text);
                    }
                    member => times(member),
                }
            }
        }
        _ => {}
    }
}

/// Members that are times in `ObjectMeta`, `Condition`, `LeaseSpec` and the statuses of the three kinds.
fn is_time(name: &str) -> bool {
    [
        "acquireTime",
        "creationTimestamp",
        "deletionTimestamp",
        "lastTransitionTime",
        "notBefore",
        "renewTime",
        "since",
        "time",
    ]
    .contains(&name)
}

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
            "managedFields": [{ "manager": "kubectl", "operation": "Update", "time": odd }],
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
                "readinessHistory": [{ "status": "ready", "since": odd }],
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
            assert_eq!(read_list.items[0].metadata.managed_fields, None);

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
        whole["spec"]["time"] = json!(ODD[0]);
        let read: Value = read(&whole);

        whole["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("managedFields");
        assert_eq!(read, whole);
    }

    #[test]
    fn what_is_not_json_passes() {
        let text = Bytes::from_static(b"<html>");
        assert_eq!(readable(&text), text);
    }
}

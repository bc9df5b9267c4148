//! Test support for plans: builders of observations, rules that every plan must obey, and a [`World`] that executes
//! plans.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::core::object::{HasSpec, HasStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{
    FINALIZER, GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, annotation,
};
use crate::graph::model::{Flow, FlowSet, FlowType, Listing, PASSWORD_MASK};
use crate::graph::verdict::{Certainty, Disposition, Reason, Verdict};

use super::conditions::find;
use super::{Attempt, Container, Limits, Read, Unreadable, View};

mod rules;
mod service;
pub(crate) mod steps;
mod world;

pub(crate) use rules::check;
pub(crate) use service::{Service, Simulated};
pub(crate) use world::{Effect, Fate, World};

/// The remote set that contains the flows.
pub(crate) const SET: &str = "11111111-2222-4333-8444-08dd00000001";
/// Another remote set.
pub(crate) const OTHER_SET: &str = "11111111-2222-4333-8444-08dd00000002";

/// Returns the time at which tests begin and resources are created.
pub(crate) fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// Returns the time `seconds` after the [`start`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// Returns an id in the format of the service.
pub(crate) fn id(number: u32) -> String {
    format!("aaaaaaaa-bbbb-4ccc-8ddd-{number:012}")
}

/// Returns an intent to create from `seconds` after the [`start`].
pub(crate) fn attempt(seconds: i64) -> Attempt {
    Attempt {
        time: at(seconds),
        id: Uuid::from_u128(7),
        uid: "users".to_owned(),
        name: None,
    }
}

/// Returns the limits that tests use.
pub(crate) fn limits() -> Limits {
    Limits {
        visibility_window: SignedDuration::from_secs(30),
        dependency_grace: SignedDuration::from_secs(5),
    }
}

/// Returns the verdict on a failure.
pub(crate) fn verdict(reason: Reason, certainty: Certainty, disposition: Disposition) -> Verdict {
    Verdict {
        disposition,
        certainty,
        reason,
        request_id: None,
        message: format!("Could not do it: {reason}."),
    }
}

/// Returns the verdict on status 503.
pub(crate) fn unavailable() -> Verdict {
    verdict(
        Reason::ServiceUnavailable,
        Certainty::Unknown,
        Disposition::Retry,
    )
}

/// Returns a refusal that a person must resolve.
pub(crate) fn refused(reason: Reason) -> Verdict {
    verdict(reason, Certainty::Refused, Disposition::User)
}

/// Returns the verdict on status 409, which proves that an object exists, not that the request had no effect.
pub(crate) fn conflicting() -> Verdict {
    verdict(Reason::Conflict, Certainty::Unknown, Disposition::User)
}

/// Returns a list that failed once.
pub(crate) fn unread<T>(verdict: Verdict) -> Read<T> {
    Read::Unknown(Unreadable {
        verdict,
        failures: 1,
    })
}

/// Returns the verdict on status 429.
pub(crate) fn throttled(seconds: u64) -> Verdict {
    let after = Some(Duration::from_secs(seconds));
    verdict(
        Reason::Throttled,
        Certainty::Throttled,
        Disposition::Throttled { after },
    )
}

/// Returns the verdict on a failed connection.
pub(crate) fn not_sent() -> Verdict {
    verdict(Reason::Unreachable, Certainty::NotSent, Disposition::Retry)
}

/// Returns a flow resource with the smallest spec that its type allows.
pub(crate) fn flow(flow_type: FlowType) -> ProvisioningFlow {
    flow_of(&match flow_type {
        FlowType::AdministrativeUnit => json!({ "administrativeUnit": { "creationOptions": {
            "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } } }),
        FlowType::SecurityGroup => json!({ "securityGroup": { "creationOptions": {
            "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false } } }),
        FlowType::ClassGroup => json!({ "classGroup": { "configuration": {
            "additionalAttributes": ["courseTitle", "classCode"],
            "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": false },
            "enrollmentMappings": {
                "ownerEnrollmentMappings": [{ "code": "teacher" }],
                "memberEnrollmentMappings": [{ "code": "student" }, { "code": "paraProfessional" }] } } } }),
        FlowType::User => json!({ "user": {
            "createUnmatchedUsers": true,
            "managementOptions": {
                "additionalAttributes": ["userGradeLevel", "userNumber"],
                "additionalOptions": { "studentAgeGroup": "minor", "allowStudentContactAssociation": false } },
            "creationOptions": { "configurations": [
                { "roleGroup": "staff", "licenseSkus": ["00000000-0000-4000-8000-00000000000a"],
                  "defaultPassword": { "secretKeyRef": { "name": "passwords", "key": "staff" } } },
                { "roleGroup": "students", "licenseSkus": ["00000000-0000-4000-8000-00000000000b"],
                  "defaultPassword": { "secretKeyRef": { "name": "passwords", "key": "students" } } }] } } }),
    })
}

/// Returns a flow resource with these members in its spec.
pub(crate) fn flow_of(spec: &Value) -> ProvisioningFlow {
    let mut spec = spec.clone();
    spec["flowSetRef"] = json!({ "name": "north" });
    resource("ProvisioningFlow", "users", &spec)
}

/// Returns a set resource.
pub(crate) fn flow_set() -> OutboundProvisioningFlowSet {
    let filter = json!({ "attribute": "orgExternalId", "in": ["school-17", "school-42"] });
    let spec = json!({
        "connectionRef": { "name": "contoso" }, "displayName": "District north", "filter": filter,
    });
    resource("OutboundProvisioningFlowSet", "north", &spec)
}

/// Returns a connection resource.
pub(crate) fn connection() -> GraphConnection {
    let reference = json!({ "name": "contoso", "key": "clientSecret" });
    let spec = json!({
        "tenantId": "contoso.edu",
        "clientId": "66666666-7777-4888-8999-000000000000",
        "credential": { "clientSecret": { "secretKeyRef": reference } },
    });
    resource("GraphConnection", "contoso", &spec)
}

fn resource<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> K {
    let metadata = json!({
        "name": name, "namespace": "schools", "uid": name, "generation": 1,
        "resourceVersion": "1", "creationTimestamp": start().to_string(),
    });
    let status = json!({ "observedGeneration": -1 });
    serde_json::from_value(json!({
        "apiVersion": "industrydata.dev/v1alpha1", "kind": kind,
        "metadata": metadata, "spec": spec, "status": status,
    }))
    .unwrap()
}

/// Changes that apply to every resource.
pub(crate) trait Building: ResourceExt + Sized {
    /// Changes the spec without a new generation.
    fn with(mut self, change: impl FnOnce(&mut Self::Spec)) -> Self
    where
        Self: HasSpec,
    {
        change(self.spec_mut());
        self
    }

    /// Changes the status.
    fn knowing<S: Default>(mut self, change: impl FnOnce(&mut S)) -> Self
    where
        Self: HasStatus<Status = S>,
    {
        change(self.status_mut().get_or_insert_default());
        self
    }

    fn held(mut self) -> Self {
        self.finalizers_mut().push(FINALIZER.to_owned());
        self
    }

    fn deleting(mut self) -> Self {
        self.meta_mut().deletion_timestamp = Some(Time(at(60)));
        self.meta_mut().generation = self.meta().generation.map(|generation| generation + 1);
        self
    }

    fn generation(mut self, generation: i64) -> Self {
        self.meta_mut().generation = Some(generation);
        self
    }

    fn annotated(mut self, name: &str, value: &str) -> Self {
        self.annotations_mut()
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an intent to create of its own from `seconds` after the [`start`].
    fn attempted(self, seconds: i64) -> Self {
        let uid = self.uid().unwrap();
        self.attempted_by(&uid, seconds)
    }

    /// Adds an intent to create that was written to the resource with this uid.
    fn attempted_by(self, uid: &str, seconds: i64) -> Self {
        let attempt = Attempt {
            uid: uid.to_owned(),
            ..attempt(seconds)
        };
        self.annotated(annotation::CREATE_ATTEMPT, &attempt.to_string())
    }
}

impl<K: ResourceExt> Building for K {}

/// Returns a flow as in lists, created from the resource's spec at a number of seconds after the [`start`].
pub(crate) fn remote_flow(number: u32, resource: &ProvisioningFlow, created: i64) -> Flow {
    let definition = crate::graph::model::FlowDefinition::of(&resource.spec).unwrap();
    service::remote_flow(number, &definition, at(created))
}

/// Returns a set as in lists.
pub(crate) fn remote_set(number: u32, display_name: &str, created: i64) -> FlowSet {
    let filter = json!({
        "@odata.type": "#microsoft.graph.industryData.basicFilter",
        "attribute": "orgExternalId", "in": ["school-17", "school-42"],
    });
    FlowSet {
        id: id(number).parse().unwrap(),
        display_name: display_name.to_owned(),
        filter: Some(filter),
        created: Some(at(created).to_string()),
        last_modified: Some(at(created).to_string()),
    }
}

/// Returns a complete list from a number of seconds after the [`start`], requested by the current reconcile.
pub(crate) fn listed<T>(items: Vec<T>, seconds: i64) -> Read<T> {
    let date = at(seconds);
    Read::Known(View {
        listing: Arc::new(Listing::of(items, date)),
        container: Container::Exists,
        began: date,
        uptime: date.duration_since(start()),
        fresh: true,
    })
}

/// Returns the status and reason of a condition as `True/Ready`, or an empty text if it is absent.
pub(crate) fn condition_text(conditions: &[Condition], type_: &str) -> String {
    let condition = find(conditions, type_);
    condition.map_or_else(String::new, |condition| {
        format!("{}/{}", condition.status, condition.reason)
    })
}

/// Returns properties of a flow as the service returns them: role groups are expanded and reordered, passwords are
/// masked, the case of codes is folded, and missing values are filled in.
pub(crate) fn as_shown(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            if let Some(group) = members.get("roleGroup").cloned() {
                let expanded = json!({ "id": group["id"], "displayName": "A group", "roles": [] });
                members.insert("roleGroup".to_owned(), expanded);
                let masked = json!({ "password": PASSWORD_MASK });
                members.insert("defaultPasswordSettings".to_owned(), masked);
            }
            if let Some(Value::String(code)) = members.get_mut("code") {
                *code = code.to_lowercase();
            }
            let shown = members
                .iter()
                .map(|(name, value)| (name.clone(), as_shown(value.clone())));
            let mut shown: serde_json::Map<String, Value> = shown.collect();
            shown.insert("notOurs".to_owned(), Value::from(7));
            Value::Object(shown)
        }
        Value::Array(items) => items.drain(..).rev().map(as_shown).collect(),
        _ => value,
    }
}

/// Sets the option `createBasedOnRoleGroup` of a security group flow, as another client.
pub(crate) fn set_role_group_option(flow: &mut Flow, value: bool) {
    flow.properties.change(|members| {
        members["creationOptions"]["createBasedOnRoleGroup"] = value.into();
    });
}

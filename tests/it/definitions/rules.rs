//! What the API server refuses by itself, in which words, and what it lets pass.
//!
//! A case is a change of a manifest that is right. A `null` in it takes a field away, as in a merge patch.

use std::marker::PhantomData;

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::Options;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cases::{
    CONNECTION, CONNECTION_ACCEPTED, CONNECTION_REFUSED, FLOW, FLOW_ACCEPTED, FLOW_BY_ID,
    FLOW_REFUSED, ONE_TYPE, Refusal, SET, SET_ACCEPTED, SET_REFUSED,
};
use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_words_that_name_the_field() {
    let env = TestEnv::set_up("definitions-rules", Options::default()).await;
    let connections = Door::<GraphConnection>::of(&env);
    let sets = Door::<OutboundProvisioningFlowSet>::of(&env);
    let flows = Door::<ProvisioningFlow>::of(&env);
    let mut complaints = connections
        .check(CONNECTION, CONNECTION_ACCEPTED, CONNECTION_REFUSED)
        .await;
    complaints.extend(sets.check(SET, SET_ACCEPTED, SET_REFUSED).await);
    complaints.extend(flows.check(FLOW, FLOW_ACCEPTED, FLOW_REFUSED).await);
    complaints.extend(flows.check(FLOW_BY_ID, &["{}"], &[]).await);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_have_limits() {
    let env = TestEnv::set_up("definitions-sizes", Options::default()).await;
    let sets = Door::<OutboundProvisioningFlowSet>::of(&env);
    let schools = |count: usize, length: usize| {
        let values: Vec<String> = (0..count)
            .map(|number| format!("{number:0>length$}"))
            .collect();
        json!({ "filter": { "attribute": "orgExternalId", "in": values } })
    };
    sets.create(SET, &schools(1000, 256)).await.unwrap();
    let told = sets.create(SET, &schools(1001, 9)).await.unwrap_err();
    assert!(
        told.contains("spec.filter.in: Too many: 1001: must have at most 1000 items"),
        "{told}"
    );
    let told = sets.create(SET, &schools(1, 257)).await.unwrap_err();
    assert!(
        told.contains("spec.filter.in[0]: Too long: may not be more than 256"),
        "{told}"
    );

    let name = |length: usize| json!({ "displayName": "ä".repeat(length) });
    sets.create(SET, &name(256)).await.unwrap();
    let told = sets.create(SET, &name(257)).await.unwrap_err();
    assert!(
        told.contains("spec.displayName: Too long: may not be more than 256"),
        "{told}"
    );

    let flows = Door::<ProvisioningFlow>::of(&env);
    let token = |length: usize| json!({ "resetToken": "t".repeat(length) });
    flows.create(FLOW, &token(256)).await.unwrap();
    let told = flows.create(FLOW, &token(257)).await.unwrap_err();
    assert!(
        told.contains("spec.resetToken: Too long: may not be more than 256"),
        "{told}"
    );
}

/// A rule that takes too long is refused as if it were broken.
#[tokio::test(flavor = "multi_thread")]
async fn rules_have_time_for_the_largest_lists() {
    let env = TestEnv::set_up("definitions-largest", Options::default()).await;
    let flows = Door::<ProvisioningFlow>::of(&env);
    let text = |number: usize| format!("{number:x>256}");
    let codes: Vec<Value> = (0..64)
        .map(|number| json!({ "code": text(number) }))
        .collect();
    let largest = json!({ "user": null, "classGroup": { "configuration": {
        "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": true },
        "enrollmentMappings": {
            "ownerEnrollmentMappings": codes,
            "memberEnrollmentMappings": codes,
        },
    } } });
    flows.create(FLOW, &largest).await.unwrap();
    let skus: Vec<String> = (0..64)
        .map(|number| format!("00000000-0000-4000-8000-{number:012}"))
        .collect();
    let configurations: Vec<Value> = (0..16)
        .map(|number| json!({ "roleGroup": text(number), "licenseSkus": skus }))
        .collect();
    let largest = json!({ "user": { "creationOptions": { "configurations": configurations } } });
    flows.create(FLOW, &largest).await.unwrap();
}

/// Tools like Helm write `user: null` for what is not given.
#[tokio::test(flavor = "multi_thread")]
async fn null_is_the_same_as_absent() {
    let env = TestEnv::set_up("definitions-null", Options::default()).await;
    let flows = Door::<ProvisioningFlow>::of(&env);
    let unit = json!({ "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } });
    let with_nulls = json!({
        "flowSetRef": { "name": "north" },
        "flowSetId": null,
        "connectionRef": null,
        "administrativeUnit": unit,
        "classGroup": null,
        "securityGroup": null,
        "user": null,
        "progressDeadline": null,
        "suspend": null,
    });
    let kept = flows.create_exactly(&with_nulls).await.unwrap();
    let expected = json!({
        "flowSetRef": { "name": "north" },
        "administrativeUnit": unit,
        "progressDeadline": "26h",
        "managementPolicy": "Manage",
        "deletionPolicy": "Delete",
        "adoptionPolicy": "Never",
        "driftPolicy": "Correct",
        "suspend": false,
    });
    assert_eq!(kept.data["spec"], expected);
    let told = flows
        .create_exactly(&json!({ "flowSetRef": { "name": "north" }, "user": null }))
        .await;
    let told = told.unwrap_err();
    assert!(told.contains(ONE_TYPE), "{told}");
    let told = flows.create_exactly(&Value::Null).await.unwrap_err();
    assert!(told.contains("spec: Required value"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed() {
    let env = TestEnv::set_up("definitions-immutable", Options::default()).await;
    let connections = Door::<GraphConnection>::of(&env);
    let sets = Door::<OutboundProvisioningFlowSet>::of(&env);
    let flows = Door::<ProvisioningFlow>::of(&env);

    let connection: &[Refusal] = &[
        (
            "tenantId: fabrikam.edu",
            "tenantId cannot be changed: create another GraphConnection for another tenant",
        ),
        ("tenantId: null", "spec.tenantId: Required value"),
    ];
    let mut complaints = connections
        .check_changes(
            "connection",
            CONNECTION,
            &["clientId: 66666666-7777-4888-8999-000000000001"],
            connection,
        )
        .await;

    let set: &[Refusal] = &[(
        "connectionRef: { name: fabrikam }",
        "connectionRef cannot be changed: create another OutboundProvisioningFlowSet for another connection",
    )];
    let harmless = &[
        "displayName: District south",
        "filter: { attribute: orgExternalId, in: [school-17] }",
    ];
    complaints.extend(sets.check_changes("set", SET, harmless, set).await);

    let by_id = "{ flowSetRef: null, flowSetId: 11111111-2222-4333-8444-08dd00000001, connectionRef: { name: contoso } }";
    let flow: &[Refusal] = &[
        (
            "{ user: null, administrativeUnit: { creationOptions: { createBasedOnOrg: true, createBasedOnOrgPlusRoleGroup: false } } }",
            "the kind of a flow (administrativeUnit, classGroup, securityGroup or user) cannot be changed: create another ProvisioningFlow",
        ),
        (
            "flowSetRef: { name: south }",
            "flowSetRef cannot be changed: create another ProvisioningFlow for another set",
        ),
        (
            by_id,
            "flowSetRef cannot be changed: create another ProvisioningFlow for another set",
        ),
    ];
    let harmless = &[
        "user: { createUnmatchedUsers: true }",
        "suspend: true",
        "progressDeadline: 1h",
    ];
    complaints.extend(flows.check_changes("flow", FLOW, harmless, flow).await);

    let by_ref = "{ flowSetRef: { name: north }, flowSetId: null, connectionRef: null }";
    let flow_by_id: &[Refusal] = &[
        (
            "flowSetId: 11111111-2222-4333-8444-08dd00000002",
            "flowSetId cannot be changed: create another ProvisioningFlow for another set",
        ),
        (
            "connectionRef: { name: fabrikam }",
            "connectionRef cannot be changed: create another ProvisioningFlow for another connection",
        ),
        (
            by_ref,
            "flowSetId cannot be changed: create another ProvisioningFlow for another set",
        ),
    ];
    complaints.extend(
        flows
            .check_changes("flow-by-id", FLOW_BY_ID, &["suspend: true"], flow_by_id)
            .await,
    );
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Where manifests of one kind are handed in. The types of the operator could not say what is wrong.
struct Door<K> {
    api: Api<DynamicObject>,
    resource: ApiResource,
    kind: PhantomData<K>,
}

impl<K> Door<K>
where
    K: DeserializeOwned + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    fn of(env: &TestEnv) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let api = Api::namespaced_with(env.client.clone(), &env.namespace, &resource);
        Self {
            api,
            resource,
            kind: PhantomData,
        }
    }

    /// What is not accepted or refused as expected.
    async fn check(&self, base: &str, accepted: &[&str], refused: &[Refusal]) -> Vec<String> {
        let mut complaints = Vec::new();
        for change in accepted {
            complaints.extend(self.accepted(change, self.create(base, &parse(change)).await));
        }
        for (change, expected) in refused {
            complaints.extend(self.refused(
                change,
                expected,
                self.create(base, &parse(change)).await,
            ));
        }
        complaints
    }

    /// The same for changes of an object that exists.
    async fn check_changes(
        &self,
        name: &str,
        base: &str,
        accepted: &[&str],
        refused: &[Refusal],
    ) -> Vec<String> {
        let object = self.object(name, &parse(base));
        self.api
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let mut complaints = Vec::new();
        for change in accepted {
            complaints.extend(self.accepted(change, self.change(name, change).await));
        }
        for (change, expected) in refused {
            complaints.extend(self.refused(change, expected, self.change(name, change).await));
        }
        complaints
    }

    /// What is accepted has to be legible for the operator too.
    fn accepted(&self, change: &str, outcome: Result<DynamicObject, String>) -> Option<String> {
        let kind = &self.resource.kind;
        match outcome.map(DynamicObject::try_parse::<K>) {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("{kind} with `{change}` cannot be read: {error}")),
            Err(told) => Some(format!("{kind} with `{change}` was refused: {told}")),
        }
    }

    fn refused(
        &self,
        change: &str,
        expected: &str,
        outcome: Result<DynamicObject, String>,
    ) -> Option<String> {
        let kind = &self.resource.kind;
        let Err(told) = outcome else {
            return Some(format!(
                "{kind} with `{change}` was accepted, not refused with `{expected}`"
            ));
        };
        // What the API server says when a rule itself fails, not the object.
        let unreadable = [
            "failed rule",
            "rule evaluation",
            "evaluating rule",
            "no such",
            "conversion error",
        ];
        let readable = !unreadable.iter().any(|words| told.contains(words));
        let good = told.contains(expected) && readable;
        (!good).then(|| {
            format!("{kind} with `{change}` was refused, but not with `{expected}`: {told}")
        })
    }

    /// Hands in a manifest that is right but for a change, without creating anything.
    async fn create(&self, base: &str, change: &Value) -> Result<DynamicObject, String> {
        let mut spec = parse(base);
        merge(&mut spec, change);
        self.create_exactly(&spec).await
    }

    async fn create_exactly(&self, spec: &Value) -> Result<DynamicObject, String> {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let object = self.object("dry-run", spec);
        self.api
            .create(&parameters, &object)
            .await
            .map_err(|error| told(&error))
    }

    async fn change(&self, name: &str, change: &str) -> Result<DynamicObject, String> {
        let parameters = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "spec": parse(change) }));
        self.api
            .patch(name, &parameters, &patch)
            .await
            .map_err(|error| told(&error))
    }

    fn object(&self, name: &str, spec: &Value) -> DynamicObject {
        DynamicObject::new(name, &self.resource).data(json!({ "spec": spec }))
    }
}

fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("{other}"),
    }
}

fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// A merge patch (RFC 7396).
fn merge(target: &mut Value, change: &Value) {
    let Some(members) = change.as_object() else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

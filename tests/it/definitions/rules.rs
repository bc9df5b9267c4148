//! What the API server refuses by itself, in which words, and what it lets pass.
//!
//! A case is a change of a manifest that is right. A `null` in it takes a field away, as in a merge patch.

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::Options;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::stage::Stage;

/// A change, and what people are told about it.
type Refusal = (&'static str, &'static str);

const CONNECTION: &str = "
    tenantId: 11111111-2222-4333-8444-555555555555
    clientId: 66666666-7777-4888-8999-000000000000
    credential: { clientSecret: { secretKeyRef: { name: contoso, key: clientSecret } } }";

const SET: &str = "
    connectionRef: { name: contoso }
    displayName: District north";

const FLOW: &str = "
    flowSetRef: { name: north }
    user: { managementOptions: { additionalOptions: {} } }";

const FLOW_BY_ID: &str = "
    flowSetId: 11111111-2222-4333-8444-08dd00000001
    connectionRef: { name: contoso }
    user: { managementOptions: { additionalOptions: {} } }";

const CONNECTION_ACCEPTED: &[&str] = &[
    "{}",
    "tenantId: contoso.edu",
    "tenantId: contoso.onmicrosoft.com",
    "tenantId: AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
    "cloud: Global",
    "pollInterval: 1s",
    "pollInterval: 1h30m",
    "pollInterval: 1.5h",
    "pollInterval: 86400s",
    "pollInterval: 24h",
    "requestBudget: {}",
    "requestBudget: { perSecond: 1, burst: 1 }",
    "requestBudget: { perSecond: 1000, burst: 1000 }",
    "credential: { clientSecret: { secretKeyRef: { name: contoso, key: client-secret.v1_2 } } }",
    "suspend: true",
];

const CONNECTION_REFUSED: &[Refusal] = &[
    ("tenantId: null", "spec.tenantId: Required value"),
    ("tenantId: contoso", "spec.tenantId in body should match"),
    (
        "tenantId: https://contoso.edu",
        "spec.tenantId in body should match",
    ),
    ("clientId: null", "spec.clientId: Required value"),
    ("clientId: sds", "spec.clientId in body should match"),
    (
        "cloud: China",
        r#"spec.cloud: Unsupported value: "China": supported values: "Global""#,
    ),
    ("credential: null", "spec.credential: Required value"),
    (
        "credential: { clientSecret: null }",
        "credential needs exactly one member: clientSecret",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: null } } }",
        "spec.credential.clientSecret.secretKeyRef.name: Required value",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: '' } } }",
        "spec.credential.clientSecret.secretKeyRef.name in body should be at least 1 chars long",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { key: client/secret } } }",
        "spec.credential.clientSecret.secretKeyRef.key in body should match '^[-._a-zA-Z0-9]+$'",
    ),
    (
        "pollInterval: soon",
        "spec.pollInterval in body should match",
    ),
    ("pollInterval: 1d", "spec.pollInterval in body should match"),
    (
        "pollInterval: -1s",
        "spec.pollInterval in body should match",
    ),
    ("pollInterval: 99999999h", "spec.pollInterval in body should match"),
    ("pollInterval: 9999999h", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 99999h99999h99999h99999h99999h", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 9999999m9999999m9999999m9999999m", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s", "spec.pollInterval: Too long: may not be more than 32"),
    (
        "pollInterval: 0s",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 999ms",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 48h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "requestBudget: { perSecond: 0 }",
        "spec.requestBudget.perSecond in body should be greater than or equal to 1",
    ),
    (
        "requestBudget: { perSecond: 1001 }",
        "spec.requestBudget.perSecond in body should be less than or equal to 1000",
    ),
    (
        "requestBudget: { burst: 0 }",
        "spec.requestBudget.burst in body should be greater than or equal to 1",
    ),
    (
        "requestBudget: { burst: 1001 }",
        "spec.requestBudget.burst in body should be less than or equal to 1000",
    ),
];

const SET_ACCEPTED: &[&str] = &[
    "{}",
    "displayName: X",
    "filter: { attribute: orgExternalId, in: [school-17] }",
    "managementPolicy: Observe",
    "deletionPolicy: Retain",
    "adoptionPolicy: IfExists",
    "driftPolicy: Report",
    "suspend: true",
];

const SET_REFUSED: &[Refusal] = &[
    ("connectionRef: null", "spec.connectionRef: Required value"),
    (
        "connectionRef: { name: '' }",
        "spec.connectionRef.name in body should be at least 1 chars long",
    ),
    ("displayName: null", "spec.displayName: Required value"),
    (
        "displayName: ''",
        "spec.displayName in body should be at least 1 chars long",
    ),
    (
        "filter: { attribute: orgExternalId }",
        "spec.filter.in: Required value",
    ),
    (
        "filter: { in: [school-17] }",
        "spec.filter.attribute: Required value",
    ),
    (
        "filter: { attribute: orgExternalId, in: [] }",
        "spec.filter.in in body should have at least 1 items",
    ),
    (
        "filter: { attribute: orgExternalId, in: [''] }",
        "spec.filter.in[0] in body should be at least 1 chars long",
    ),
    (
        "filter: { attribute: orgExternalId, in: [school-17, school-42, school-17] }",
        r#"spec.filter.in[2]: Duplicate value: "school-17""#,
    ),
    (
        "filter: { attribute: orgName, in: [School] }",
        r#"spec.filter.attribute: Unsupported value: "orgName": supported values: "orgExternalId""#,
    ),
    (
        "managementPolicy: Foo",
        r#"spec.managementPolicy: Unsupported value: "Foo": supported values: "Manage", "Observe""#,
    ),
    (
        "deletionPolicy: Foo",
        r#"spec.deletionPolicy: Unsupported value: "Foo": supported values: "Delete", "Retain""#,
    ),
    (
        "adoptionPolicy: Foo",
        r#"spec.adoptionPolicy: Unsupported value: "Foo": supported values: "Never", "IfExists""#,
    ),
    (
        "driftPolicy: Foo",
        r#"spec.driftPolicy: Unsupported value: "Foo": supported values: "Correct", "Report""#,
    ),
];

const FLOW_ACCEPTED: &[&str] = &[
    "{}",
    "{ user: null, administrativeUnit: { creationOptions: { createBasedOnOrg: true, createBasedOnOrgPlusRoleGroup: false } } }",
    "{ user: null, securityGroup: { creationOptions: { createBasedOnRoleGroup: true, createBasedOnOrgPlusRoleGroup: false } } }",
    "
    user: null
    classGroup:
      configuration:
        additionalAttributes: [courseTitle, courseCode, courseSubject, courseGradeLevel, courseExternalId,
          academicSessionTitle, academicSessionExternalId, classCode]
        additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: false }
        enrollmentMappings:
          ownerEnrollmentMappings: [{ code: teacher }]
          memberEnrollmentMappings: [{ code: student }, { code: aide }]",
    "
    user:
      createUnmatchedUsers: true
      managementOptions:
        additionalAttributes: [userGradeLevel, userNumber]
        additionalOptions: { studentAgeGroup: notAdult, allowStudentContactAssociation: false }
      creationOptions:
        configurations:
          - roleGroup: staff
          - roleGroup: students
            defaultPassword: { secretKeyRef: { name: passwords, key: students } }
            licenseSkus: [00000000-0000-4000-8000-000000000002]",
    "resetToken: '2026-11-23'",
    "pollInterval: 5m",
    "progressDeadline: 1s",
    "progressDeadline: 720h",
    "managementPolicy: Observe",
    "deletionPolicy: Retain",
    "adoptionPolicy: IfExists",
    "driftPolicy: Report",
    "suspend: true",
];

const ONE_TYPE: &str = "give exactly one of administrativeUnit, classGroup, securityGroup and user";
const ONE_SET: &str = "give exactly one of flowSetRef and flowSetId";
const WITH_CONNECTION: &str = "connectionRef belongs to flowSetId: give both, or flowSetRef alone";

const FLOW_REFUSED: &[Refusal] = &[
    ("user: null", ONE_TYPE),
    (
        "securityGroup: { creationOptions: { createBasedOnRoleGroup: true, createBasedOnOrgPlusRoleGroup: false } }",
        ONE_TYPE,
    ),
    ("flowSetRef: null", ONE_SET),
    (
        "{ flowSetId: 11111111-2222-4333-8444-08dd00000001, connectionRef: { name: contoso } }",
        ONE_SET,
    ),
    ("connectionRef: { name: contoso }", WITH_CONNECTION),
    (
        "{ flowSetRef: null, flowSetId: 11111111-2222-4333-8444-08dd00000001 }",
        WITH_CONNECTION,
    ),
    (
        "{ flowSetRef: null, flowSetId: north, connectionRef: { name: contoso } }",
        "spec.flowSetId in body should match",
    ),
    (
        "flowSetRef: { name: '' }",
        "spec.flowSetRef.name in body should be at least 1 chars long",
    ),
    (
        "resetToken: ''",
        "spec.resetToken in body should be at least 1 chars long",
    ),
    (
        "pollInterval: soon",
        "spec.pollInterval in body should match",
    ),
    ("pollInterval: 99999999h", "spec.pollInterval in body should match"),
    ("pollInterval: 9999999h", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 99999h99999h99999h99999h99999h", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 9999999m9999999m9999999m9999999m", "pollInterval must be between 1s and 24h"),
    ("pollInterval: 1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s", "spec.pollInterval: Too long: may not be more than 32"),
    (
        "pollInterval: 0s",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 48h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "progressDeadline: soon",
        "spec.progressDeadline in body should match",
    ),
    ("progressDeadline: 9999999999h", "spec.progressDeadline"),
    (
        "progressDeadline: 0s",
        "progressDeadline must be between 1s and 720h",
    ),
    (
        "progressDeadline: 721h",
        "progressDeadline must be between 1s and 720h",
    ),
    (
        "managementPolicy: Foo",
        r#"spec.managementPolicy: Unsupported value: "Foo": supported values: "Manage", "Observe""#,
    ),
    (
        "deletionPolicy: Foo",
        r#"spec.deletionPolicy: Unsupported value: "Foo": supported values: "Delete", "Retain""#,
    ),
    (
        "adoptionPolicy: Foo",
        r#"spec.adoptionPolicy: Unsupported value: "Foo": supported values: "Never", "IfExists""#,
    ),
    (
        "driftPolicy: Foo",
        r#"spec.driftPolicy: Unsupported value: "Foo": supported values: "Correct", "Report""#,
    ),
    (
        "user: { managementOptions: null }",
        "spec.user.managementOptions: Required value",
    ),
    (
        "user: { managementOptions: { additionalOptions: null } }",
        "spec.user.managementOptions.additionalOptions: Required value",
    ),
    (
        "user: { managementOptions: { additionalOptions: { studentAgeGroup: teenager } } }",
        r#"Unsupported value: "teenager": supported values: "minor", "notAdult", "adult""#,
    ),
    (
        "user: { managementOptions: { additionalAttributes: [shoeSize] } }",
        r#"spec.user.managementOptions.additionalAttributes[0]: Unsupported value: "shoeSize""#,
    ),
    (
        "user: { managementOptions: { additionalAttributes: [userNumber, userNumber] } }",
        r#"spec.user.managementOptions.additionalAttributes[1]: Duplicate value: "userNumber""#,
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students }, { roleGroup: students }] } }",
        r#"spec.user.creationOptions.configurations[1]: Duplicate value: {"roleGroup":"students"}"#,
    ),
    (
        "user: { creationOptions: { configurations: [{ licenseSkus: [] }] } }",
        "spec.user.creationOptions.configurations[0].roleGroup: Required value",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, licenseSkus: [A3] }] } }",
        "spec.user.creationOptions.configurations[0].licenseSkus[0] in body should match",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, defaultPassword: {} }] } }",
        "spec.user.creationOptions.configurations[0].defaultPassword.secretKeyRef: Required value",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, defaultPassword: { secretKeyRef: { name: passwords, key: a b } } }] } }",
        "configurations[0].defaultPassword.secretKeyRef.key in body should match '^[-._a-zA-Z0-9]+$'",
    ),
    (
        "{ user: null, classGroup: {} }",
        "spec.classGroup.configuration: Required value",
    ),
    (
        "{ user: null, classGroup: { configuration: {} } }",
        "spec.classGroup.configuration.enrollmentMappings: Required value",
    ),
    (
        "{ user: null, classGroup: { configuration: { additionalAttributes: [colour] } } }",
        r#"spec.classGroup.configuration.additionalAttributes[0]: Unsupported value: "colour""#,
    ),
    (
        "{ user: null, classGroup: { configuration: { enrollmentMappings: { ownerEnrollmentMappings: [{ code: teacher }, { code: teacher }] } } } }",
        r#"ownerEnrollmentMappings[1]: Duplicate value: {"code":"teacher"}"#,
    ),
    (
        "{ user: null, administrativeUnit: {} }",
        "spec.administrativeUnit.creationOptions: Required value",
    ),
    (
        "{ user: null, securityGroup: { creationOptions: { createBasedOnRoleGroup: true } } }",
        "spec.securityGroup.creationOptions.createBasedOnOrgPlusRoleGroup: Required value",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_words_that_name_the_field() {
    let stage = Stage::set_up("definitions-rules", Options::default()).await;
    let connections = Door::<GraphConnection>::of(&stage);
    let sets = Door::<OutboundProvisioningFlowSet>::of(&stage);
    let flows = Door::<ProvisioningFlow>::of(&stage);
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
    let stage = Stage::set_up("definitions-sizes", Options::default()).await;
    let sets = Door::<OutboundProvisioningFlowSet>::of(&stage);
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

    let flows = Door::<ProvisioningFlow>::of(&stage);
    let token = |length: usize| json!({ "resetToken": "t".repeat(length) });
    flows.create(FLOW, &token(256)).await.unwrap();
    let told = flows.create(FLOW, &token(257)).await.unwrap_err();
    assert!(
        told.contains("spec.resetToken: Too long: may not be more than 256"),
        "{told}"
    );
}

/// Tools like Helm write `user: null` for what is not given.
#[tokio::test(flavor = "multi_thread")]
async fn null_is_the_same_as_absent() {
    let stage = Stage::set_up("definitions-null", Options::default()).await;
    let flows = Door::<ProvisioningFlow>::of(&stage);
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
        "progressDeadline": "30m",
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
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed() {
    let stage = Stage::set_up("definitions-immutable", Options::default()).await;
    let connections = Door::<GraphConnection>::of(&stage);
    let sets = Door::<OutboundProvisioningFlowSet>::of(&stage);
    let flows = Door::<ProvisioningFlow>::of(&stage);

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
    kind: std::marker::PhantomData<K>,
}

impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>> Door<K> {
    fn of(stage: &Stage) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let api = Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource);
        Self {
            api,
            resource,
            kind: std::marker::PhantomData,
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
        let object = self.object(name, parse(base));
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

    fn accepted(&self, change: &str, outcome: Result<DynamicObject, String>) -> Option<String> {
        let kind = &self.resource.kind;
        outcome
            .err()
            .map(|told| format!("{kind} with `{change}` was refused: {told}"))
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
        let object = self.object("dry-run", spec.clone());
        self.api.create(&parameters, &object).await.map_err(told)
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
            .map_err(told)
    }

    fn object(&self, name: &str, spec: Value) -> DynamicObject {
        DynamicObject::new(name, &self.resource).data(json!({ "spec": spec }))
    }
}

fn told(error: kube::Error) -> String {
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
